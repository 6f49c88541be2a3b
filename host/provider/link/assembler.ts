/** The few instructions that stubs are written in (core specification 2.0, section 5.4), as bytes. */
import { leb, valType } from "../../module/wasm/encode.ts";
import type { ValType } from "../../module/wasm/types.ts";

/** Instructions, nested as they are written. */
export type Code = readonly (number | Code)[];

const flat = (code: Code): number[] => code.flatMap((part) => (typeof part === "number" ? part : flat(part)));

/** Encodes a signed number of at most 32 bits in LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (;;) {
    const byte = left & 0x7f;
    left >>= 7;
    if ((left === 0 && (byte & 0x40) === 0) || (left === -1 && (byte & 0x40) !== 0)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

/** Encodes a body with its size. @param locals one type for each local, parameters excluded */
export function body(locals: readonly ValType[], ...code: Code): Uint8Array {
  const runs = locals.flatMap((type) => [1, valType(type)]);
  const bytes = [...leb(locals.length), ...runs, ...flat(code), END];
  return Uint8Array.from([...leb(bytes.length), ...bytes]);
}

const END = 0x0b;
export const UNREACHABLE: Code = [0x00];
export const RETURN: Code = [0x0f];

export const call = (index: number): Code => [0x10, ...leb(index)];
export const get = (local: number): Code => [0x20, ...leb(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, ...leb(local)];
export const globalGet = (index: number): Code => [0x23, ...leb(index)];
export const globalSet = (index: number, value: Code): Code => [value, 0x24, ...leb(index)];
export const i32 = (value: number): Code => [0x41, ...signed(value)];
export const i64 = (value: number): Code => [0x42, ...signed(value)];

/** The condition, then what is done if it is not 0. */
export const when = (condition: Code, ...then: Code): Code => [condition, 0x04, 0x40, then, END];
/** A loop; `again(depth)` inside of it starts its next round. */
export const loop = (...inside: Code): Code => [0x03, 0x40, inside, END];
/** @param depth number of blocks between the branch and its loop */
export const again = (depth: number): Code => [0x0c, ...leb(depth)];

/** An operator of two operands. */
const binary =
  (opcode: number) =>
  (left: Code, right: Code): Code => [left, right, opcode];

export const i32Eqz = (value: Code): Code => [value, 0x45];
export const i32Eq = binary(0x46);
export const i32Ne = binary(0x47);
export const i32LtU = binary(0x49);
export const i32Add = binary(0x6a);
export const i32Sub = binary(0x6b);
export const i32Mul = binary(0x6c);
export const i64Eq = binary(0x51);
export const i64Ne = binary(0x52);
export const i64LtU = binary(0x54);
export const i64GtU = binary(0x56);
export const i64Add = binary(0x7c);
export const i64And = binary(0x83);
export const i64Or = binary(0x84);
export const i64Shl = binary(0x86);
export const toI32 = (value: Code): Code => [value, 0xa7];
export const toI64 = (value: Code): Code => [value, 0xad];

export const load32 = (address: Code): Code => [address, 0x28, 2, 0];
export const load8 = (address: Code): Code => [address, 0x2d, 0, 0];
export const load64 = (address: Code): Code => [address, 0x29, 3, 0];
export const store32 = (address: Code, value: Code): Code => [address, value, 0x36, 2, 0];
export const store64 = (address: Code, value: Code): Code => [address, value, 0x37, 3, 0];
export const store8 = (address: Code, value: Code): Code => [address, value, 0x3a, 0, 0];
