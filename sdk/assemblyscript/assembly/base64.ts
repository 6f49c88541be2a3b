/** Base64 with the alphabet and padding of RFC 4648, section 4. Bytes have one spelling; `decode` refuses every other one. */

const PAD: u32 = 61;

/**
 * Encodes bytes as base64 with padding.
 *
 * @param bytes any length
 * @returns 4 characters for every 3 bytes, rounded up
 * @throws Traps if the memory of 4 MiB is used up.
 * @example
 * ```ts
 * const text = base64.encode(utf8("seed")); // "c2VlZA=="
 * ```
 */
export function encode(bytes: Uint8Array): string {
  const size = bytes.length;
  const text = new Uint8Array(((size + 2) / 3) * 4);
  let at = 0;
  for (let i = 0; i < size; i += 3) {
    const left = size - i;
    const group =
      ((bytes[i] as u32) << 16) |
      (left > 1 ? (bytes[i + 1] as u32) << 8 : 0) |
      (left > 2 ? (bytes[i + 2] as u32) : 0);
    text[at++] = letter(group >> 18) as u8;
    text[at++] = letter((group >> 12) & 63) as u8;
    text[at++] = (left > 1 ? letter((group >> 6) & 63) : PAD) as u8;
    text[at++] = (left > 2 ? letter(group & 63) : PAD) as u8;
  }
  return String.UTF8.decodeUnsafe(text.dataStart, text.length);
}

/**
 * Decodes base64 exactly as `encode` writes it: no line breaks, no missing padding, no stray bits.
 *
 * @param text any string
 * @returns the bytes; null if `encode` does not write this text
 * @throws Nothing.
 * @example
 * ```ts
 * const bytes = base64.decode("c2VlZA==");
 * if (bytes == null) log.warn("the KMS answered invalid base64");
 * ```
 */
export function decode(text: string): Uint8Array | null {
  const length = text.length;
  if (length % 4 !== 0) return null;
  let padding = 0;
  while (padding < 2 && padding < length && text.charCodeAt(length - 1 - padding) === (PAD as i32)) padding++;
  const bytes = new Uint8Array((length / 4) * 3 - padding);
  const digits = length - padding;
  let at = 0;
  let group: u32 = 0;
  let bits = 0;
  for (let i = 0; i < digits; i++) {
    const value = digit(text.charCodeAt(i));
    if (value < 0) return null;
    group = (group << 6) | (value as u32);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (group >> bits) as u8;
  }
  // The bits of the last letter that belong to no byte.
  return (group & ((1 << bits) - 1)) === 0 ? bytes : null;
}

/** Computed without a table: every call gets a new instance, with a new memory to fill. */
function letter(value: u32): u32 {
  if (value < 26) return value + 65;
  if (value < 52) return value + 71;
  if (value < 62) return value - 4;
  return value === 62 ? 43 : 47;
}

function digit(letter: i32): i32 {
  if (letter >= 65 && letter <= 90) return letter - 65;
  if (letter >= 97 && letter <= 122) return letter - 71;
  if (letter >= 48 && letter <= 57) return letter + 4;
  if (letter === 43) return 62;
  return letter === 47 ? 63 : -1;
}
