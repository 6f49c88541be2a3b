/**
 * The canonical request of Signature Version 4 (AWS IAM User Guide, "Create a signed AWS API request"): one spelling of a request, which
 * client and server hash. Pure.
 */
import type { Request } from "../../exchange.ts";

/** Headers that proxies change or that HTTP itself sets. They are sent without a signature, as the SDKs of AWS do. */
const UNSIGNED: ReadonlySet<string> = new Set([
  "authorization",
  "expect",
  "transfer-encoding",
  "user-agent",
  "x-amzn-trace-id",
]);

/** Characters of a path that are not encoded again: the unreserved ones of RFC 3986 and the slash. */
const RESERVED_IN_PATH = /[^A-Za-z0-9\-._~/]/g;

export interface Canonical {
  readonly text: string;
  /** The names of the signed headers, joined by semicolons. */
  readonly signedHeaders: string;
}

/**
 * @param request its headers include those of the signature but `authorization`
 * @param host the value of the `host` header, which the transport sets
 * @param bodyHash the SHA-256 of the body in hexadecimal
 */
export function canonicalRequest(request: Request, host: string, bodyHash: string): Canonical {
  const { method, path, headers, body } = request;
  const at = path.indexOf("?");
  const signed = signedHeadersOf({ ...headers, host, ...lengthOf(body) });
  const signedHeaders = signed.map(([name]) => name).join(";");
  const lines = signed.map(([name, value]) => `${name}:${value}\n`).join("");
  return {
    text: [
      method,
      canonicalPath(at === -1 ? path : path.slice(0, at)),
      at === -1 ? "" : canonicalQuery(path.slice(at + 1)),
      lines,
      signedHeaders,
      bodyHash,
    ].join("\n"),
    signedHeaders,
  };
}

/** The transport sends it with each body. */
function lengthOf(body: Uint8Array): Record<string, string> {
  return body.length === 0 ? {} : { "content-length": String(body.length) };
}

function signedHeadersOf(headers: Readonly<Record<string, string>>): [name: string, value: string][] {
  return Object.entries(headers)
    .filter(([name]) => !UNSIGNED.has(name))
    .map(([name, value]): [string, string] => [name, value.trim().replaceAll(/ {2,}/g, " ")])
    .sort(byCode);
}

/** Encodes each byte that RFC 3986 reserves, percent signs too: every service but S3 encodes a path twice. */
function canonicalPath(path: string): string {
  return path === "" ? "/" : path.replaceAll(RESERVED_IN_PATH, percentEncode);
}

/** Sorted by name and value, each encoded by RFC 3986. */
function canonicalQuery(query: string): string {
  return [...new URLSearchParams(query)]
    .map(([name, value]): [string, string] => [encode(name), encode(value)])
    .sort(byCode)
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, percentEncode);
}

function percentEncode(sign: string): string {
  return `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Not by locale: the server sorts by code. */
function byCode([name, value]: [string, string], [other, otherValue]: [string, string]): number {
  if (name !== other) return name < other ? -1 : 1;
  return value < otherValue ? -1 : value > otherValue ? 1 : 0;
}
