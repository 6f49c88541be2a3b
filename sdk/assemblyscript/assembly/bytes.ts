/** Bytes and text: the helpers that every provider needs. */

/**
 * Encodes text as UTF-8.
 *
 * @param text any string; a lone surrogate becomes U+FFFD
 * @returns its bytes, without a terminating zero
 * @throws Nothing.
 * @example
 * ```ts
 * const bytes = utf8("κλειδί"); // 12 bytes
 * ```
 */
export function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE));
}

/**
 * Compares two byte strings, not in constant time: for public bytes only.
 *
 * @param a any length
 * @param b any length
 * @returns true if both have the same length and content
 * @throws Nothing.
 * @example
 * ```ts
 * const isKnown = same(utf8("v1"), Uint8Array.wrap(String.UTF8.encode("v1"))); // true
 * ```
 */
export function same(a: Uint8Array, b: Uint8Array): bool {
  return a.length === b.length && memory.compare(a.dataStart, b.dataStart, a.length) === 0;
}

/**
 * Joins two byte strings in a new array.
 *
 * @param a the first bytes
 * @param b the bytes after them
 * @returns `a.length + b.length` bytes
 * @throws Traps if the memory of 4 MiB is used up.
 * @example
 * ```ts
 * const both = concat(utf8("nonce"), utf8("sealed")); // 11 bytes
 * ```
 */
export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/**
 * Writes a number in decimal digits. The standard library's toString adds 3 KB of tables to the module.
 *
 * @param value 0 to 4,294,967,295
 * @returns 1 to 10 digits
 * @throws Nothing.
 * @example
 * ```ts
 * const text = decimal(1023); // "1023"
 * ```
 */
export function decimal(value: u32): string {
  let text = String.fromCharCode(48 + (value % 10));
  while (value > 9) {
    value /= 10;
    text = String.fromCharCode(48 + (value % 10)) + text;
  }
  return text;
}

/**
 * Parses a number from 1 in its only spelling: digits, without a leading zero.
 *
 * @param text any string
 * @returns 1 to 4,294,967,295; 0 if the text is not such a number
 * @throws Nothing.
 * @example
 * ```ts
 * const number = parseDecimal("17"); // 17
 * ```
 */
export function parseDecimal(text: string): u32 {
  if (text.length < 1 || text.length > 10) return 0;
  let value: u64 = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if (letter < 48 || letter > 57 || (i === 0 && letter === 48)) return 0;
    value = value * 10 + ((letter - 48) as u64);
  }
  return value > (u32.MAX_VALUE as u64) ? 0 : (value as u32);
}
