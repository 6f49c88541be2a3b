/** What may stand in a request of kleidi:net (docs/ABI.md): the words that the schema and its rules share. */

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;

const SEGMENT = "(?!\\.{1,2}(?:/|$))[A-Za-z0-9\\-._~!$&'()*+,;=:@]+";
/** A path without a slash at its end. */
export const PLAIN_PATH = new RegExp(`^(?=.{1,1024}$)(?:/${SEGMENT})+$`);
/** One with or without. */
export const ALLOWED_PATH = new RegExp(`^(?=.{1,1024}$)(?:/|(?:/${SEGMENT})+/?)$`);

/** RFC 9110, 5.1, in lower case and without the odd characters. */
export const HEADER = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** Headers that HTTP keeps for itself: nobody sets them. */
export const HTTP_HEADERS: ReadonlySet<string> = new Set([
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
]);

/** Those, and the ones that carry a credential: no provider sets them. */
export const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  ...HTTP_HEADERS,
  "authorization",
  "x-vault-token",
]);
