/**
 * Decides on one request of kleidi:net, from the request itself and the grant. Pure. Each path has one spelling, so the server reads the
 * path that is compared here: nothing is normalised, and a path that would need it is denied.
 */
import { type AllowedRequest, FREE_HEADERS, lineText } from "./request-syntax.ts";

/** The part of a grant that decides on requests; connection and trust are handled elsewhere. */
export interface NetGrant {
  /** "https://vault.example:8200": scheme, host and port, no path. */
  readonly origin: string;
  readonly allow: readonly AllowedRequest[];
  /** Lower-case names of headers that the guest may set and, in a response, see. */
  readonly headers: readonly string[];
  /** Largest body of a request, in bytes. */
  readonly requestBytes: number;
}

export interface ParsedRequest {
  readonly method: string;
  /** With its query, if it has one. */
  readonly path: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Of the body. */
  readonly bytes: number;
}

export type Verdict =
  | { readonly allowed: true; readonly line: AllowedRequest }
  | { readonly allowed: false; readonly reason: string };

const MAX_PATH = 1024;
const MAX_HEADERS = 16;
const SEGMENT = /^[A-Za-z0-9\-._~!$&'()*+,;=:@]+$/;
/** Dot segments. Some servers cut a segment at its semicolon and read "..;x" as "..". */
const DOTS = /^\.{1,2}(?:;|$)/;
/** Methods without a body. A body has no defined meaning there (RFC 9110, 9.3.1): some servers read it as the next request. */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE"]);
const HEADER_VALUE = /^[\x20-\x7e]{0,1024}$/;

export function decideRequest(asked: ParsedRequest, grant: NetGrant): Verdict {
  const { method, headers, bytes } = asked;
  const { path, query } = splitQuery(asked.path);
  const fault = pathFault(path);
  if (fault !== undefined) return denied(`a path ${fault}`);
  const near = grant.allow.filter((allowed) => allowed.method === method && covers(allowed, path));
  const line = near.find((allowed) => allowed.query === query && hasFixed(allowed, headers));
  if (line === undefined)
    return denied(
      near.length > 0 ? mismatchReason(near, query) : notGrantedReason(method, path, grant.allow),
    );
  if (bytes > 0 && BODILESS.has(method)) return denied(`${method} with a body of ${bytes} bytes`);
  if (headers.length > MAX_HEADERS)
    return denied(`${headers.length} headers, at most ${MAX_HEADERS} are allowed`);
  const seen = new Set<string>();
  for (const { name, value } of headers) {
    const isGranted = grant.headers.includes(name) || Object.hasOwn(line.headers ?? {}, name);
    if (!isGranted && FREE_HEADERS.get(name) !== value)
      return denied(
        `a header with a name of ${name.length} characters is none of ${grant.headers.length} granted ones`,
      );
    if (seen.has(name)) return denied(`the header "${name}" is there twice`);
    if (!HEADER_VALUE.test(value))
      return denied(`the value of the header "${name}" is not 0 to 1024 printable ASCII characters`);
    seen.add(name);
  }
  return { allowed: true, line };
}

/** Splits a path at its first "?". A query is only compared with that of a granted line. */
export function splitQuery(target: string): { path: string; query?: string } {
  const at = target.indexOf("?");
  return at === -1 ? { path: target } : { path: target.slice(0, at), query: target.slice(at + 1) };
}

/** True if the request has each fixed header of the line. Duplicates are checked for all headers. */
function hasFixed({ headers = {} }: AllowedRequest, asked: ParsedRequest["headers"]): boolean {
  return Object.entries(headers).every(([name, value]) =>
    asked.some((header) => header.name === name && header.value === value),
  );
}

/** Why no line with this method and path allows the request: query or headers differ. */
function mismatchReason(near: readonly AllowedRequest[], query: string | undefined): string {
  const lines = near.map((line) => `"${lineText(line)}"`).join(" or ");
  if (near.some((line) => line.query === query))
    return `a request without the headers that are granted: ${lines}`;
  return `${query === undefined ? "a request without a query" : `a query of ${query.length} characters`}, where the grant has ${lines}`;
}

/** The fault of a path, as the end of a sentence; undefined if it is in its only allowed spelling. */
export function pathFault(path: string): string | undefined {
  if (!path.startsWith("/")) return "that does not begin with a slash";
  if (path.length > MAX_PATH) return `of ${path.length} characters, at most ${MAX_PATH} are allowed`;
  const segments = path.slice(1).split("/");
  if (segments.at(-1) === "") segments.pop();
  for (const segment of segments) {
    if (segment === "") return "with two slashes in a row";
    if (DOTS.test(segment)) return "with a dot segment";
    if (!SEGMENT.test(segment)) return "with a character that is not allowed in it";
  }
  return undefined;
}

/**
 * True if a line covers a path. A granted path that ends in a slash covers the paths under it, and not itself. Any other path covers only
 * itself, and so does each path of a line with fixed headers, where the header selects the operation.
 */
function covers({ path: granted, headers }: AllowedRequest, path: string): boolean {
  return granted.endsWith("/") && headers === undefined
    ? path.length > granted.length && path.startsWith(granted)
    : path === granted;
}

function denied(reason: string): Verdict {
  return { allowed: false, reason };
}

/** The reason of a denial. It names granted lines and lengths but no text of the guest: it is recorded, and a guest knows secrets. */
function notGrantedReason(method: string, path: string, allow: readonly AllowedRequest[]): string {
  const lines = allow.filter((line) => line.method === method);
  const what = `${lines.length > 0 ? method : "a method that is not granted"} with a path of ${path.length} characters`;
  const nearest = lines.toSorted(
    (a, b) => commonPrefixLength(b.path, path) - commonPrefixLength(a.path, path),
  )[0];
  const hint =
    nearest === undefined
      ? ""
      : `; it is as "${lineText(nearest)}" for ${commonPrefixLength(nearest.path, path)} characters`;
  return `${what} is none of ${allow.length} granted requests${hint}`;
}

function commonPrefixLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
