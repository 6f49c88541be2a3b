/**
 * `random_get` of WASI by `kleidi:crypto random` (docs/ABI.md, sections 3 and 5). Every other answer than the bytes that were asked for
 * traps: a caller that does not look at the result would take what was in its memory for random.
 */
import {
  again,
  body,
  type Code,
  call,
  get,
  globalGet,
  globalSet,
  i32,
  i32Add,
  i32Eq,
  i32Eqz,
  i32LtU,
  i32Sub,
  i64,
  i64Add,
  i64And,
  i64Eq,
  i64GtU,
  i64LtU,
  i64Ne,
  i64Or,
  i64Shl,
  loop,
  RETURN,
  set,
  store8,
  toI32,
  toI64,
  UNREACHABLE,
  when,
} from "./assembler.ts";

/** The indexes in the linked module of the functions and globals that a stub uses. */
export interface StubContext {
  /** @param name "kleidi:crypto random", "extism:host/env alloc", or the name of a helper */
  readonly function: (name: string) => number;
  readonly global: (name: "value" | "ticks" | "text" | "filled") => number;
}

export const EXTISM = "extism:host/env";

/** The imports of `randomGet`. */
export const RANDOM_IMPORTS = [
  "kleidi:crypto random",
  "extism:host/env alloc",
  "extism:host/env free",
  "extism:host/env length",
  "extism:host/env load_u8",
  "extism:host/env store_u8",
] as const;

/** Bytes of one request: its length fits into one byte of a varint. The host gives at most 256 at once. */
const CHUNK = 127;
/** Longer than any reply of the host (docs/ABI.md, section 3). */
const MAX_REPLY = 65_536;

/** `varint(at) → at`: reads a number from a block into the global `value`, and returns the address after it. */
export function varint(context: StubContext): Uint8Array {
  const [at, shift, byte, value] = [0, 1, 2, 3];
  const loaded = toI64([get(at), call(context.function(`${EXTISM} load_u8`))]);
  return body(
    ["i64", "i64", "i64"],
    loop(
      when(i64GtU(get(shift), i64(63)), UNREACHABLE),
      set(byte, loaded),
      set(value, i64Or(get(value), i64Shl(i64And(get(byte), i64(127)), get(shift)))),
      set(at, i64Add(get(at), i64(1))),
      set(shift, i64Add(get(shift), i64(7))),
      when(i64GtU(get(byte), i64(127)), again(1)),
    ),
    globalSet(context.global("value"), get(value)),
    get(at),
  );
}

/** `random_get(buffer, length) → errno`. */
export function randomGet(context: StubContext): Uint8Array {
  const [buffer, length, n, i, request, reply, at, end, key, got] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const extism = (name: string) => call(context.function(`${EXTISM} ${name}`));
  const value = globalGet(context.global("value"));
  const read: Code = set(at, [get(at), call(context.function("varint"))]);
  const storeBlock = (offset: number, byte: Code): Code => [
    i64Add(get(request), i64(offset)),
    byte,
    extism("store_u8"),
  ];
  const skip: Code = [
    read,
    when(i64GtU(value, i64(MAX_REPLY)), UNREACHABLE),
    set(at, i64Add(get(at), value)),
  ];
  const copy: Code = [
    set(i, i32(0)),
    loop(
      store8(i32Add(get(buffer), get(i)), [i64Add(get(at), toI64(get(i))), extism("load_u8")]),
      set(i, i32Add(get(i), i32(1))),
      when(i32LtU(get(i), get(n)), again(1)),
    ),
    set(at, i64Add(get(at), toI64(get(n)))),
    set(got, i32(1)),
  ];
  // fields of HostReply: 1 code (varint), 3 body (length-delimited); others are skipped by their wire type
  const field: Code = [
    when(i64Eq(get(key), i64(8)), read, when(i64Ne(value, i64(0)), UNREACHABLE)),
    when(i64Eq(get(key), i64(26)), read, when(i64Ne(value, toI64(get(n))), UNREACHABLE), copy),
    when(both(i64Ne(get(key), i64(8)), i64Ne(get(key), i64(26))), [
      set(i, toI32(i64And(get(key), i64(7)))),
      when(i32Eqz(get(i)), read),
      when(i32Eq(get(i), i32(1)), set(at, i64Add(get(at), i64(8)))),
      when(i32Eq(get(i), i32(2)), skip),
      when(both(i32LtU(i32(2), get(i)), [i32Eq(get(i), i32(5)), 0x45]), UNREACHABLE),
      when(i32Eq(get(i), i32(5)), set(at, i64Add(get(at), i64(4)))),
    ]),
  ];
  return body(
    ["i32", "i32", "i64", "i64", "i64", "i64", "i64", "i32"],
    loop(
      when(i32Eqz(get(length)), i32(0), RETURN),
      set(n, i32(CHUNK)),
      when(i32LtU(get(length), i32(CHUNK)), set(n, get(length))),
      set(request, [i64(2), extism("alloc")]),
      // CryptoRandomRequest: field 1, varint
      storeBlock(0, i32(8)),
      storeBlock(1, get(n)),
      set(reply, [get(request), call(context.function("kleidi:crypto random"))]),
      set(at, get(reply)),
      set(end, i64Add(get(reply), [get(reply), extism("length")])),
      set(got, i32(0)),
      loop(
        when(i64LtU(get(at), get(end)), [
          read,
          set(key, value),
          field,
          when(i64GtU(get(at), get(end)), UNREACHABLE),
          again(1),
        ]),
      ),
      when(i32Eqz(get(got)), UNREACHABLE),
      [get(request), extism("free"), get(reply), extism("free")],
      set(buffer, i32Add(get(buffer), get(n))),
      set(length, i32Sub(get(length), get(n))),
      again(0),
    ),
    UNREACHABLE,
  );
}

/** Both conditions, each 0 or 1, hold. */
function both(left: Code, right: Code): Code {
  return [left, right, 0x71];
}
