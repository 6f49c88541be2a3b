/** What a secret may look like, before it is put into a header or a body. */

/** Beyond this, servers refuse a request for its headers. */
export const MAX_TOKEN_BYTES = 16 * 1024;

/** For a header's value: visible ASCII, with blanks inside only (RFC 9110, section 5.5). Says what is wrong, never what is there. */
export function tokenFault(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (text.length > MAX_TOKEN_BYTES) {
    return `it is ${text.length} characters, at most ${MAX_TOKEN_BYTES} fit into a header`;
  }
  if (!/^[\x20-\x7e]*$/.test(text)) return "it has a character in it that no header may have";
  if (text.startsWith(" ") || text.endsWith(" ")) return "it has a blank at its beginning or end";
  return undefined;
}

/** For a field of a body: text in one line. */
export function fieldFault(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (/[\p{Cc}\u{fffd}]/u.test(text)) return "it has control characters in it, or is no UTF-8";
  return undefined;
}
