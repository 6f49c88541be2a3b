/** Writes parts of the WebAssembly binary format (core specification 2.0, chapter 5), each number in its shortest form. */
import type { FuncType, Span, ValType } from "./types.ts";

/** Bytes in place of a range of the file. */
export interface Edit extends Span {
  readonly bytes: Uint8Array;
}

/**
 * Returns a range of the file with edits.
 * @param edits in the order of the file, within the range, without overlaps
 */
export function edited(bytes: Uint8Array, { from, to }: Span, edits: readonly Edit[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let copied = from;
  for (const edit of edits) {
    parts.push(bytes.subarray(copied, edit.from), edit.bytes);
    copied = edit.to;
  }
  parts.push(bytes.subarray(copied, to));
  return parts;
}

/** Encodes an unsigned number of at most 53 bits in LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  bytes.push(left);
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Encodes a section: its id, its size and its content. */
export function section(id: number, ...content: readonly Uint8Array[]): Uint8Array {
  const size = content.reduce((total, { length }) => total + length, 0);
  return concat([Uint8Array.from([id, ...leb(size)]), ...content]);
}

/** Encodes a custom section (5.5.3). */
export function customSection(name: string, content: Uint8Array): Uint8Array {
  return section(0, text(name), content);
}

/** Encodes a list: the number of its entries, then the entries. */
export function list(entries: readonly Uint8Array[]): Uint8Array {
  return concat([Uint8Array.from(leb(entries.length)), ...entries]);
}

/** Encodes a name (5.2.4). */
export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return concat([Uint8Array.from(leb(bytes.length)), bytes]);
}

const CODES: Readonly<Record<ValType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
};

export function valType(type: ValType): number {
  return CODES[type];
}

export function funcType({ params, results }: FuncType): Uint8Array {
  const values = (types: readonly ValType[]) => [...leb(types.length), ...types.map(valType)];
  return Uint8Array.from([0x60, ...values(params), ...values(results)]);
}
