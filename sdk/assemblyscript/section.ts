/** Custom sections of a WebAssembly module (core specification, 5.5.3): id 0, then size, name and content. */

/** Returns the module with one more custom section at its end. */
export function withSection(module: Uint8Array, name: string, content: Uint8Array): Uint8Array {
  const label = new TextEncoder().encode(name);
  const length = leb128(label.length);
  const size = leb128(length.length + label.length + content.length);
  return Buffer.concat([module, Buffer.of(0), size, length, label, content]);
}

/** Encodes an unsigned number in LEB128, in its shortest form. */
function leb128(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}
