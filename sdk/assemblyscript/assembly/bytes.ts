/** Small things with bytes and text that every provider needs. */

/** A string's UTF-8. */
export function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE));
}

/** Whether two byte strings are equal. Not in constant time: for public bytes only. */
export function same(a: Uint8Array, b: Uint8Array): bool {
  return a.length === b.length && memory.compare(a.dataStart, b.dataStart, a.length) === 0;
}

/** One after the other. */
export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** A number in decimal digits. The standard library's toString brings 3 KB of tables into the module. */
export function decimal(value: u32): string {
  let text = String.fromCharCode(48 + (value % 10));
  while (value > 9) {
    value /= 10;
    text = String.fromCharCode(48 + (value % 10)) + text;
  }
  return text;
}
