/** The syntax of requests of kleidi:net (docs/ABI.md), shared by the schema, the rules and the login methods. */

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;

// Rejects "..;x" as well as dot segments: some servers cut a segment at its semicolon.
const SEGMENT = "(?!\\.{1,2}(?:[/;]|$))[A-Za-z0-9\\-._~!$&'()*+,;=:@]+";
/** A path without a slash at its end. */
export const PLAIN_PATH = new RegExp(`^(?=.{1,1024}$)(?:/${SEGMENT})+$`);
/** A path with or without a slash at its end. */
export const ALLOWED_PATH = new RegExp(`^(?=.{1,1024}$)(?:/|(?:/${SEGMENT})+/?)$`);

/** A query that a granted line may fix. It is compared as written, without decoding. */
const QUERY = /^[A-Za-z0-9\-._~!$'()*+,;=:@/&]{1,512}$/;
/** A header value that a granted line may fix. */
const FIXED_VALUE = /^[\x21-\x7e]{1,256}$/;

/** A header name (RFC 9110, 5.1) in lower case, of letters, digits and hyphens only. */
export const HEADER = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** Headers reserved for HTTP and the host, and headers that make some servers use another method or path than the one decided on. */
export const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "authorization",
  "connection",
  "content-length",
  "cookie",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
  "x-vault-namespace",
  "x-vault-token",
]);

/**
 * Headers that each grant allows, with this value alone. They carry no data, and are not compared with a line. A listener of Vault Agent with
 * `require_request_header` refuses a request without this one.
 */
export const FREE_HEADERS: ReadonlyMap<string, string> = new Map([["x-vault-request", "true"]]);

/** The reserved headers that a credential may use. */
export const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(["authorization", "x-vault-token"]);

/** One request of a grant. */
export interface AllowedRequest {
  readonly method: string;
  /** Ends in "/": everything under it; otherwise exactly this path. */
  readonly path: string;
  /** The query that a request must have, without its "?"; absent: a request must have none. */
  readonly query?: string;
  /** Headers that a request must have, by their names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Reads a line of a grant: `POST /keys/kek/wrapkey?api-version=7.4`, `POST / x-amz-target=TrentService.Encrypt`.
 *
 * @returns undefined if it is not a valid line
 */
export function parseLine(text: string): AllowedRequest | undefined {
  const [method = "", target = "", ...fixed] = text.split(" ");
  const at = target.indexOf("?");
  const path = at === -1 ? target : target.slice(0, at);
  const query = at === -1 ? undefined : target.slice(at + 1);
  if (!METHODS.some((known) => known === method) || !ALLOWED_PATH.test(path)) return undefined;
  if (query !== undefined && !QUERY.test(query)) return undefined;
  const headers = new Map(fixed.map((pair) => [pair.split("=", 1)[0] ?? "", pair.replace(/^[^=]*=/, "")]));
  if (headers.size !== fixed.length || fixed.some((pair) => !pair.includes("="))) return undefined;
  for (const [name, value] of headers)
    if (!HEADER.test(name) || RESERVED_HEADERS.has(name) || !FIXED_VALUE.test(value)) return undefined;
  return {
    method,
    path,
    ...(query === undefined ? {} : { query }),
    ...(headers.size === 0 ? {} : { headers: Object.fromEntries(headers) }),
  };
}

/** The line as the configuration writes it. */
export function lineText({ method, path, query, headers = {} }: AllowedRequest): string {
  const target = query === undefined ? path : `${path}?${query}`;
  return [method, target, ...Object.entries(headers).map(([name, value]) => `${name}=${value}`)].join(" ");
}
