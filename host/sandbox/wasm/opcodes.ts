/**
 * What follows each opcode (core specification 2.0, section 5.4, and the tail call proposal). A number in a table, so that
 * walking a body is a look-up and a jump; 0 stands for what is not allowed.
 */
export const NOT_ALLOWED = 0;
export const NOTHING = 1;
export const BLOCK = 2;
export const IF = 3;
export const ELSE = 4;
export const END = 5;
export const LABEL = 6;
export const LABELS = 7;
export const CALL = 8;
export const CALL_INDIRECT = 9;
export const LOCAL = 10;
export const GLOBAL = 11;
export const TABLE = 12;
export const ADDRESS = 13;
export const MEMORY = 14;
export const I32 = 15;
export const I64 = 16;
export const BYTES_4 = 17;
export const BYTES_8 = 18;
export const BYTES_16 = 19;
export const SELECT = 20;
export const REF_NULL = 21;
export const REF_FUNC = 22;
export const MISC = 23;
export const SIMD = 24;
export const MEMORY_INIT = 25;
export const DATA = 26;
export const MEMORIES = 27;
export const TABLE_INIT = 28;
export const ELEMENT = 29;
export const TABLES = 30;
export const ADDRESS_LANE = 31;
export const LANE = 32;
export const SHUFFLE = 33;

type Row = readonly [first: number, last: number, immediate: number];

/** One-byte opcodes. */
export const PLAIN = table([
  [0x00, 0x01, NOTHING], // unreachable, nop
  [0x02, 0x03, BLOCK], // block, loop
  [0x04, 0x04, IF],
  [0x05, 0x05, ELSE],
  [0x0b, 0x0b, END],
  [0x0c, 0x0d, LABEL], // br, br_if
  [0x0e, 0x0e, LABELS], // br_table
  [0x0f, 0x0f, NOTHING], // return
  [0x10, 0x10, CALL],
  [0x11, 0x11, CALL_INDIRECT],
  [0x12, 0x12, CALL], // return_call
  [0x13, 0x13, CALL_INDIRECT], // return_call_indirect
  [0x1a, 0x1b, NOTHING], // drop, select
  [0x1c, 0x1c, SELECT], // select with its type
  [0x20, 0x22, LOCAL], // local.get, set, tee
  [0x23, 0x24, GLOBAL], // global.get, set
  [0x25, 0x26, TABLE], // table.get, set
  [0x28, 0x3e, ADDRESS], // loads and stores
  [0x3f, 0x40, MEMORY], // memory.size, grow
  [0x41, 0x41, I32],
  [0x42, 0x42, I64],
  [0x43, 0x43, BYTES_4], // f32.const
  [0x44, 0x44, BYTES_8], // f64.const
  [0x45, 0xc4, NOTHING], // numeric, with the sign extensions 0xc0 to 0xc4
  [0xd0, 0xd0, REF_NULL],
  [0xd1, 0xd1, NOTHING], // ref.is_null
  [0xd2, 0xd2, REF_FUNC],
  [0xfc, 0xfc, MISC],
  [0xfd, 0xfd, SIMD],
]);

/** Behind the prefix 0xfc. */
export const MISC_TABLE = table([
  [0, 7, NOTHING], // trunc_sat
  [8, 8, MEMORY_INIT],
  [9, 9, DATA], // data.drop
  [10, 10, MEMORIES], // memory.copy
  [11, 11, MEMORY], // memory.fill
  [12, 12, TABLE_INIT],
  [13, 13, ELEMENT], // elem.drop
  [14, 14, TABLES], // table.copy
  [15, 17, TABLE], // table.grow, size, fill
]);

/** Behind the prefix 0xfd. */
export const SIMD_TABLE = table([
  [0x00, 0x0b, ADDRESS],
  [0x0c, 0x0c, BYTES_16], // v128.const
  [0x0d, 0x0d, SHUFFLE],
  [0x0e, 0x14, NOTHING],
  [0x15, 0x22, LANE], // extract_lane, replace_lane
  [0x23, 0x53, NOTHING],
  [0x54, 0x5b, ADDRESS_LANE], // load_lane, store_lane
  [0x5c, 0x5d, ADDRESS], // load_zero
  [0x5e, 0xff, NOTHING],
  ...[0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0].map(unused),
  ...[0xd2, 0xd3, 0xd4, 0xe2, 0xee].map(unused),
]);

/** How many lanes there are to choose from, for ADDRESS_LANE and LANE. */
export const LANES = table([
  [0x15, 0x17, 16], // i8x16
  [0x18, 0x1a, 8], // i16x8
  [0x1b, 0x1c, 4], // i32x4
  [0x1d, 0x1e, 2], // i64x2
  [0x1f, 0x20, 4], // f32x4
  [0x21, 0x22, 2], // f64x2
  ...[0x54, 0x58].flatMap((code): Row[] => [
    [code, code, 16],
    [code + 1, code + 1, 8],
    [code + 2, code + 2, 4],
    [code + 3, code + 3, 2],
  ]),
]);

function table(rows: readonly Row[]): Uint8Array {
  const entries = new Uint8Array(256);
  for (const [first, last, immediate] of rows) entries.fill(immediate, first, last + 1);
  return entries;
}

function unused(code: number): Row {
  return [code, code, NOT_ALLOWED];
}
