/** Checks the text of a secret before it is put into a header or a body. No message quotes the text. */

/** Servers refuse requests with larger headers. */
export const MAX_TOKEN_BYTES = 16 * 1024;

/** Checks a header value: visible ASCII, with blanks inside only (RFC 9110, section 5.5). @returns the fault, or undefined */
export function tokenFault(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (text.length > MAX_TOKEN_BYTES) {
    return `it is ${text.length} characters, at most ${MAX_TOKEN_BYTES} fit into a header`;
  }
  if (!/^[\x20-\x7e]*$/.test(text)) return "it has a character that a header cannot carry";
  if (text.startsWith(" ") || text.endsWith(" ")) return "it has a blank at its beginning or end";
  return undefined;
}

/** Checks a field of a body: text in one line. @returns the fault, or undefined */
export function fieldFault(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (/[\p{Cc}\u{fffd}]/u.test(text)) return "it has control characters, or is not valid UTF-8";
  return undefined;
}
