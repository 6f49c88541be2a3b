/** Modules for tests: assembled from text, or byte by byte. */
import wabt from "wabt";

const { parseWat } = await wabt();

export const PREAMBLE: readonly number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Assembles a module, of any proposal that the assembler knows. */
export function wasm(wat: string): Uint8Array {
  const parsed = parseWat("test.wat", wat, {
    exceptions: true,
    memory64: true,
    threads: true,
    multi_value: true,
    tail_call: true,
    bulk_memory: true,
    reference_types: true,
    simd: true,
  });
  try {
    // a copy, because the assembler's result is in its own memory
    return parsed.toBinary({ write_debug_names: false }).buffer.slice();
  } finally {
    parsed.destroy();
  }
}

/** A module of these sections. */
export function moduleOf(...sections: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([...PREAMBLE, ...sections.flat()]);
}

export function section(id: number, ...content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

export function customSection(name: string, ...content: readonly number[]): number[] {
  return section(0, ...text(name), ...content);
}

/** A name as modules write it. */
export function text(name: string): number[] {
  const bytes = Buffer.from(name);
  return [...leb(bytes.length), ...bytes];
}

export function leb(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return [...bytes, left];
}
