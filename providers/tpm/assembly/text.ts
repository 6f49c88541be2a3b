/** Bytes as text and back: hexadecimal for versions and records, base64 for PEM. The readers return null for any other text. */

const DIGITS = "0123456789abcdef";
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    text += DIGITS.charAt(bytes[i] >> 4) + DIGITS.charAt(bytes[i] & 15);
  }
  return text;
}

/** Lower case only, so that a version has one spelling. */
export function unhex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < text.length; i++) {
    const digit = DIGITS.indexOf(text.charAt(i));
    if (digit < 0) return null;
    bytes[i / 2] = ((bytes[i / 2] << 4) | digit) as u8;
  }
  return bytes;
}

/** Writes an unsigned number as `0x98e`, the form of TPM response codes in documentation. */
export function code(value: u32): string {
  let text = "";
  do {
    text = DIGITS.charAt(value & 15) + text;
    value >>= 4;
  } while (value !== 0);
  return "0x" + text;
}

export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group =
      ((bytes[i] as u32) << 16) |
      (left > 1 ? (bytes[i + 1] as u32) << 8 : 0) |
      (left > 2 ? (bytes[i + 2] as u32) : 0);
    text += BASE64.charAt(group >> 18) + BASE64.charAt((group >> 12) & 63);
    text += left > 1 ? BASE64.charAt((group >> 6) & 63) : "=";
    text += left > 2 ? BASE64.charAt(group & 63) : "=";
  }
  return text;
}

/** Reads base64 in lines. */
export function unbase64(text: string): Uint8Array | null {
  const bytes = new Uint8Array((text.length * 3) / 4 + 3);
  let at = 0;
  let group: u32 = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charAt(i);
    if (letter === "\n" || letter === "\r" || letter === "=") continue;
    const value = BASE64.indexOf(letter);
    if (value < 0) return null;
    group = (group << 6) | (value as u32);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (group >> bits) as u8;
  }
  return bytes.slice(0, at);
}
