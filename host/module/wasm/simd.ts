/** Reads the instructions of fixed-width SIMD: the prefix 0xfd, an opcode, and its immediates. */
import { hex, indexOutOfRange, type Reader } from "./reader.ts";
import { RELAXED_SIMD } from "./refused.ts";
import { readAddress, type Spaces } from "./spaces.ts";

/** Opcodes up to this one are loads and stores; load_lane, store_lane and load_zero have higher ones. */
const LAST_ACCESS = 0x0b;
const CONST = 0x0c;
const SHUFFLE = 0x0d;
const FIRST_LOAD_LANE = 0x54;
const LAST_STORE_LANE = 0x5b;
const LAST_LOAD_ZERO = 0x5d;
const LAST = 0xff;

/** Unassigned opcodes below 0x100. */
const UNUSED = new Set([
  0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4,
  0xe2, 0xee,
]);

/** Number of lanes of each extract_lane and replace_lane instruction, from opcode 0x15 on. */
const LANES = [16, 16, 16, 8, 8, 8, 4, 4, 2, 2, 4, 4, 2, 2];
const FIRST_LANE = 0x15;

/** @param at offset of the prefix */
export function walkSimd(reader: Reader, at: number, spaces: Spaces): void {
  const opcode = reader.u32();
  if (opcode > LAST)
    throw new Error(`the opcode 0xfd ${hex(opcode)} at byte ${at} belongs to ${RELAXED_SIMD}`);
  if (UNUSED.has(opcode)) throw new Error(`the opcode 0xfd ${hex(opcode)} at byte ${at} is unknown`);
  const lanes = LANES[opcode - FIRST_LANE];
  if (opcode <= LAST_ACCESS) readAddress(reader, spaces);
  else if (opcode === CONST) reader.skip(16);
  else if (opcode === SHUFFLE) for (let i = 0; i < 16; i++) readLane(reader, 32);
  else if (lanes !== undefined) readLane(reader, lanes);
  else if (opcode >= FIRST_LOAD_LANE && opcode <= LAST_LOAD_ZERO) {
    readAddress(reader, spaces);
    // lanes of 8, 16, 32 and 64 bits: first the loads, then the stores
    if (opcode <= LAST_STORE_LANE) readLane(reader, 16 >> (opcode & 3));
  }
}

function readLane(reader: Reader, lanes: number): void {
  const at = reader.at;
  const lane = reader.byte();
  if (lane >= lanes) throw indexOutOfRange("lane", lane, lanes, at);
}
