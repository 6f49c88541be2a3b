/**
 * Canonical base64 (RFC 4648, section 4). Buffer ignores unknown characters and accepts several encodings of one value; this decoder
 * accepts exactly one.
 */

/**
 * Decodes base64.
 * @param text in the standard alphabet, with padding
 * @returns the bytes; undefined if the text is not their canonical encoding
 * @example decodeBase64("AQI=") // <Buffer 01 02>
 * @example decodeBase64("AQI") // undefined
 */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
