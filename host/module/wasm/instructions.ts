/** The less frequent instructions of a body, and immediates of more than one number. */
import type { CallGraph } from "./graph.ts";
import { hex, indexOutOfRange, type Reader } from "./reader.ts";
import { refusedOpcode } from "./refused.ts";
import { walkSimd } from "./simd.ts";
import type { Spaces } from "./spaces.ts";
import { badType, isValType, readRefType, readValType } from "./types.ts";

/**
 * Reads the immediates of one instruction.
 * @param reader positioned after the opcode
 * @param depth number of enclosing blocks
 */
export function walkOther(
  reader: Reader,
  opcode: number,
  depth: number,
  spaces: Spaces,
  calls: CallGraph,
): void {
  const at = reader.at - 1;
  switch (opcode) {
    case 0x0e: // br_table: the labels of the list, then the default label
      for (let left = reader.count(1) + 1; left > 0; left--) reader.index(depth + 1, "label");
      break;
    case 0x11: // call_indirect
    case 0x13: // return_call_indirect
      reader.index(spaces.types, "type");
      reader.index(spaces.tables, "table");
      calls.callIndirect();
      break;
    case 0x1c: // select with its type
      readSelect(reader);
      break;
    case 0x25: // table.get
    case 0x26: // table.set
      reader.index(spaces.tables, "table");
      break;
    case 0x3f: // memory.size
    case 0x40: // memory.grow
      reader.index(spaces.memories, "memory");
      break;
    case 0x43: // f32.const
      reader.skip(4);
      break;
    case 0x44: // f64.const
      reader.skip(8);
      break;
    case 0xd0: // ref.null
      readRefType(reader);
      break;
    case 0xd1: // ref.is_null
      break;
    case 0xd2: {
      // ref.func: a function with a reference can be put into a table
      const from = reader.at;
      const target = reader.index(spaces.functions, "function");
      calls.references?.add(target, from, reader.at);
      calls.inTable[target] = 1;
      calls.call(target);
      break;
    }
    case 0xfc:
      walkMisc(reader, at, spaces);
      break;
    case 0xfd:
      walkSimd(reader, at, spaces);
      break;
    default:
      throw refusedOpcode(hex(opcode), opcode, at);
  }
}

/** Reads an instruction with the prefix 0xfc: saturating conversions, bulk memory, tables. */
function walkMisc(reader: Reader, at: number, spaces: Spaces): void {
  const opcode = reader.u32();
  // trunc_sat
  if (opcode < 8) return;
  switch (opcode) {
    case 8: // memory.init
      reader.index(spaces.data, "declared data segment");
      reader.index(spaces.memories, "memory");
      break;
    case 9: // data.drop
      reader.index(spaces.data, "declared data segment");
      break;
    case 10: // memory.copy
      reader.index(spaces.memories, "memory");
      reader.index(spaces.memories, "memory");
      break;
    case 11: // memory.fill
      reader.index(spaces.memories, "memory");
      break;
    case 12: // table.init
      reader.index(spaces.elements, "element segment");
      reader.index(spaces.tables, "table");
      break;
    case 13: // elem.drop
      reader.index(spaces.elements, "element segment");
      break;
    case 14: // table.copy
      reader.index(spaces.tables, "table");
      reader.index(spaces.tables, "table");
      break;
    case 15: // table.grow
    case 16: // table.size
    case 17: // table.fill
      reader.index(spaces.tables, "table");
      break;
    default:
      throw new Error(`the opcode 0xfc ${hex(opcode)} at byte ${at} is unknown`);
  }
}

function readSelect(reader: Reader): void {
  const at = reader.at;
  const count = reader.u32();
  if (count !== 1) throw new Error(`the select at byte ${at - 1} has ${count} types, 1 is allowed`);
  readValType(reader);
}

/** Reads a block type: empty, a value type, or a type index, which is encoded as a signed 33-bit number. */
export function readBlockType(reader: Reader, types: number): void {
  const at = reader.at;
  const first = reader.byte();
  if (first === 0x40 || isValType(first)) return;
  // one byte with the sign bit set: a type that version 2.0 does not have
  if (first > 0x40 && first < 0x80) throw badType(first, at);
  reader.at = at;
  const index = reader.u32();
  // with the sign bit of the last byte set the number is negative, and the engine would read a type
  if ((reader.bytes[reader.at - 1] as number) & 0x40) {
    throw new Error(`the block type at byte ${at} is a negative number in more than one byte`);
  }
  if (index >= types) throw indexOutOfRange("type", index, types, at);
}
