/** Custom sections of a WebAssembly module (core specification, 5.5.3): id 0, then size, name and content. */

/** The module with one more custom section at its end. */
export function withSection(module: Uint8Array, name: string, content: Uint8Array): Uint8Array {
  const label = new TextEncoder().encode(name);
  const length = leb128(label.length);
  const size = leb128(length.length + label.length + content.length);
  return Buffer.concat([module, Buffer.of(0), size, length, label, content]);
}

/** An unsigned number in LEB128, as short as it can be. */
function leb128(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}
