/** Base64 in its one canonical form (RFC 4648, section 4): Buffer passes over what it does not know, and takes several forms of one value. */

/**
 * Decodes base64.
 * @param text in the standard alphabet, with padding
 * @returns undefined if the text is not what the bytes encode to
 * @example decodeBase64("AQI=") // <Buffer 01 02>
 * @example decodeBase64("AQI") // undefined
 */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
