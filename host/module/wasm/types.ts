/** Types and limits, and how they are encoded (core specification 2.0, section 5.3). */
import { hex, type Reader } from "./reader.ts";
import { EXCEPTIONS, GC, MEMORY64, THREADS } from "./refused.ts";

export type ValType = "i32" | "i64" | "f32" | "f64" | "v128" | "funcref" | "externref";

export interface FuncType {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

export interface Limits {
  /** Pages of 64 KiB, or entries of a table. */
  readonly min: number;
  readonly max?: number;
  readonly shared: boolean;
  readonly is64: boolean;
}

export interface Table extends Limits {
  readonly element: ValType;
}

export interface Global {
  readonly type: ValType;
  readonly mutable: boolean;
}

export type ExternalKind = "function" | "table" | "memory" | "global";

/** Byte range of encoded limits in the file, end excluded: the bytes that clampLimits replaces. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

const VALUE_TYPES = new Map<number, ValType>([
  [0x7f, "i32"],
  [0x7e, "i64"],
  [0x7d, "f32"],
  [0x7c, "f64"],
  [0x7b, "v128"],
  [0x70, "funcref"],
  [0x6f, "externref"],
]);

const REFUSED_TYPES = new Map<number, string>([
  [0x69, EXCEPTIONS], // exnref
  [0x74, EXCEPTIONS], // noexn
  ...[0x63, 0x64, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73, 0x77, 0x78].map(
    (code) => [code, GC] as const,
  ),
]);

/** Maximum number of pages of a 32-bit memory. */
export const MAX_PAGES = 65536;

/** Maximum number of parameters, and of results; the engine's own limit. */
const MAX_VALUES = 1000;

export function isValType(code: number): boolean {
  return VALUE_TYPES.has(code);
}

export function readValType(reader: Reader): ValType {
  const code = reader.byte();
  const type = VALUE_TYPES.get(code);
  if (type === undefined) throw badType(code, reader.at - 1);
  return type;
}

export function badType(code: number, at: number): Error {
  const why = REFUSED_TYPES.get(code);
  return new Error(
    `the type ${hex(code)} at byte ${at} ${why === undefined ? "is unknown" : `belongs to ${why}`}`,
  );
}

export function readRefType(reader: Reader): ValType {
  const at = reader.at;
  const type = readValType(reader);
  if (type !== "funcref" && type !== "externref") {
    throw new Error(`the type ${type} at byte ${at} is not a reference type`);
  }
  return type;
}

export function readFuncType(reader: Reader): FuncType {
  const at = reader.at;
  const form = reader.byte();
  if (form !== 0x60) throw new Error(`the type form ${hex(form)} at byte ${at} belongs to ${GC}`);
  return { params: readValTypes(reader), results: readValTypes(reader) };
}

function readValTypes(reader: Reader): readonly ValType[] {
  const count = reader.count(1, MAX_VALUES, "types");
  const types: ValType[] = [];
  for (let i = 0; i < count; i++) types.push(readValType(reader));
  return types;
}

export function readLimits(reader: Reader, what: "memory" | "table"): Limits {
  const at = reader.at;
  const flags = reader.byte();
  const prefix = `the ${what}'s limits at byte ${at} have the flags ${hex(flags)}`;
  if (flags > 7) throw new Error(`${prefix}, which are unknown`);
  if (flags & 4) throw new Error(`${prefix}: ${MEMORY64}`);
  if (flags & 2) throw new Error(`${prefix}: shared, which belongs to ${THREADS}`);
  const most = what === "memory" ? MAX_PAGES : 0xffff_ffff;
  const bound = (name: string, value: number) => {
    if (value <= most) return value;
    throw new Error(
      `the ${what}'s limits at byte ${at} have the ${name} ${value}, at most ${most} is allowed`,
    );
  };
  const min = bound("minimum", reader.u32());
  if (flags === 0) return { min, shared: false, is64: false };
  const max = bound("maximum", reader.u32());
  if (max < min)
    throw new Error(
      `the ${what}'s limits at byte ${at} have the maximum ${max}, which is below the minimum ${min}`,
    );
  return { min, max, shared: false, is64: false };
}
