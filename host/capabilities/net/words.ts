/** What may stand in a request of kleidi:net (docs/ABI.md): the words that the schema and its rules share. */

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;

// What some servers take for a dot segment, "..;x", is none either: they cut a segment at its semicolon.
const SEGMENT = "(?!\\.{1,2}(?:[/;]|$))[A-Za-z0-9\\-._~!$&'()*+,;=:@]+";
/** A path without a slash at its end. */
export const PLAIN_PATH = new RegExp(`^(?=.{1,1024}$)(?:/${SEGMENT})+$`);
/** One with or without. */
export const ALLOWED_PATH = new RegExp(`^(?=.{1,1024}$)(?:/|(?:/${SEGMENT})+/?)$`);

/** RFC 9110, 5.1, in lower case and without the odd characters. */
export const HEADER = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** Headers that HTTP or the host keeps for itself; and some by which servers read another method or path than was decided on. */
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

/** The reserved ones that a credential may be in. */
export const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(["authorization", "x-vault-token"]);
