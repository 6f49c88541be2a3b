/**
 * Walks a function's body (core specification 2.0, section 5.4): every instruction with its immediates, to its exact end. Types
 * are the engine's business; what counts here is that the engine cannot read another instruction than we do.
 */
import type { CallGraph } from "./graph.ts";
import * as op from "./opcodes.ts";
import { hex, noSuch, type Reader } from "./reader.ts";
import { MULTI_MEMORY, RELAXED_SIMD, refusedOpcode } from "./refused.ts";
import { badType, isValType, readRefType, readValType } from "./types.ts";

/** How many there are of what a body can refer to. */
export interface Spaces {
  readonly types: number;
  readonly functions: number;
  readonly tables: number;
  readonly memories: number;
  readonly globals: number;
  readonly elements: number;
  /** Of the data count section: without it, no body may name a data segment. */
  readonly data: number;
}

/** What can be open at a place of a body. */
const OPEN_BLOCK = 1;
const OPEN_IF = 2;

/** More locals the engine refuses too. */
const MAX_LOCALS = 50_000;

/** One for all bodies: the blocks that are open. */
const open: number[] = [];

/** Reads from the reader's position to `end`, where the body must end. */
export function walkBody(
  reader: Reader,
  end: number,
  params: number,
  spaces: Spaces,
  calls: CallGraph,
): void {
  const locals = readLocals(reader, params);
  const { bytes } = reader;
  const { functions, globals } = spaces;
  let depth = 0;
  open[0] = OPEN_BLOCK;
  // the position lives in a variable, and in the reader only while that reads a number of several bytes
  let at = reader.at;
  while (at < end) {
    const opcode = bytes[at++] as number;
    switch (op.PLAIN[opcode]) {
      case op.NOTHING:
        break;
      case op.BLOCK:
      case op.IF:
        if ((bytes[at] as number) === 0x40) at += 1;
        else {
          reader.at = at;
          readBlockType(reader, spaces.types);
          at = reader.at;
        }
        open[++depth] = opcode === 4 ? OPEN_IF : OPEN_BLOCK;
        break;
      case op.ELSE:
        if (open[depth] !== OPEN_IF) throw new Error(`the else at byte ${at - 1} has no if`);
        open[depth] = OPEN_BLOCK;
        break;
      case op.END:
        depth -= 1;
        if (depth >= 0) break;
        if (at === end) {
          reader.at = at;
          return;
        }
        throw new Error(`the body ends at byte ${at}, its size says byte ${end}`);
      case op.LABEL: {
        let label = bytes[at] as number;
        if (label < 128) at += 1;
        else {
          reader.at = at;
          label = reader.u32();
          at = reader.at;
        }
        if (label > depth) throw noSuch("label", label, depth + 1, at);
        break;
      }
      case op.LOCAL: {
        let local = bytes[at] as number;
        if (local < 128) at += 1;
        else {
          reader.at = at;
          local = reader.u32();
          at = reader.at;
        }
        if (local >= locals) throw noSuch("local", local, locals, at);
        break;
      }
      case op.GLOBAL: {
        let global = bytes[at] as number;
        if (global < 128) at += 1;
        else {
          reader.at = at;
          global = reader.u32();
          at = reader.at;
        }
        if (global >= globals) throw noSuch("global", global, globals, at);
        break;
      }
      case op.CALL: {
        let callee = bytes[at] as number;
        if (callee < 128) at += 1;
        else {
          reader.at = at;
          callee = reader.u32();
          at = reader.at;
        }
        if (callee >= functions) throw noSuch("function", callee, functions, at);
        calls.call(callee);
        break;
      }
      case op.I32:
      case op.I64:
        if ((bytes[at] as number) < 128) at += 1;
        else {
          reader.at = at;
          reader.signed(opcode === 0x41 ? 32 : 64);
          at = reader.at;
        }
        break;
      case op.ADDRESS:
        // alignment and offset, nearly always of one byte each
        if ((bytes[at] as number) <= 4 && (bytes[at + 1] as number) < 128 && spaces.memories > 0) at += 2;
        else {
          reader.at = at;
          readAddress(reader, spaces);
          at = reader.at;
        }
        break;
      default:
        reader.at = at;
        walkRare(reader, opcode, depth, spaces, calls);
        at = reader.at;
    }
  }
  throw new Error(
    at > end
      ? `an instruction before byte ${at} goes over the end of its body at byte ${end}`
      : `the body that ends at byte ${end} has ${depth + 1} blocks open`,
  );
}

/** Instructions that are rare enough to pay for a call; the reader stands behind the opcode. */
function walkRare(reader: Reader, opcode: number, depth: number, spaces: Spaces, calls: CallGraph): void {
  const at = reader.at - 1;
  let immediate = op.PLAIN[opcode] as number;
  let code = opcode;
  if (immediate === op.MISC || immediate === op.SIMD) {
    code = reader.u32();
    if (immediate === op.SIMD && code >= 0x100) {
      throw new Error(`the opcode 0xfd ${hex(code)} at byte ${at} is of ${RELAXED_SIMD}`);
    }
    immediate = (immediate === op.SIMD ? op.SIMD_TABLE : op.MISC_TABLE)[code] ?? op.NOT_ALLOWED;
    if (immediate === op.NOT_ALLOWED) throw refusedOpcode(`${hex(opcode)} ${hex(code)}`, 0, at);
  }
  switch (immediate) {
    case op.NOTHING:
      return;
    case op.LABELS:
      // one more than the list has: the default
      for (let left = reader.count(1) + 1; left > 0; left--) reader.index(depth + 1, "label");
      return;
    case op.CALL_INDIRECT:
      reader.index(spaces.types, "type");
      reader.index(spaces.tables, "table");
      calls.callIndirect();
      return;
    case op.TABLE:
      reader.index(spaces.tables, "table");
      return;
    case op.TABLES:
      reader.index(spaces.tables, "table");
      reader.index(spaces.tables, "table");
      return;
    case op.TABLE_INIT:
      reader.index(spaces.elements, "element segment");
      reader.index(spaces.tables, "table");
      return;
    case op.ELEMENT:
      reader.index(spaces.elements, "element segment");
      return;
    case op.ADDRESS:
      readAddress(reader, spaces);
      return;
    case op.MEMORY:
      readMemoryIndex(reader, spaces);
      return;
    case op.MEMORIES:
      readMemoryIndex(reader, spaces);
      readMemoryIndex(reader, spaces);
      return;
    case op.MEMORY_INIT:
      reader.index(spaces.data, "counted data segment");
      readMemoryIndex(reader, spaces);
      return;
    case op.DATA:
      reader.index(spaces.data, "counted data segment");
      return;
    case op.BYTES_4:
      reader.skip(4);
      return;
    case op.BYTES_8:
      reader.skip(8);
      return;
    case op.BYTES_16:
      reader.skip(16);
      return;
    case op.SELECT: {
      const count = reader.u32();
      if (count !== 1) throw new Error(`the select at byte ${at} has ${count} types, 1 is allowed`);
      readValType(reader);
      return;
    }
    case op.REF_NULL:
      readRefType(reader);
      return;
    case op.REF_FUNC: {
      const target = reader.index(spaces.functions, "function");
      calls.inTable[target] = 1;
      calls.call(target);
      return;
    }
    case op.ADDRESS_LANE:
      readAddress(reader, spaces);
      readLane(reader, op.LANES[code] as number);
      return;
    case op.LANE:
      readLane(reader, op.LANES[code] as number);
      return;
    case op.SHUFFLE:
      for (let i = 0; i < 16; i++) readLane(reader, 32);
      return;
    default:
      throw refusedOpcode(hex(opcode), opcode, at);
  }
}

/** Locals are written in runs of one type. */
function readLocals(reader: Reader, params: number): number {
  let locals = params;
  const at = reader.at;
  for (let runs = reader.count(2); runs > 0; runs--) {
    locals += reader.u32();
    readValType(reader);
    if (locals - params > MAX_LOCALS) {
      throw new Error(
        `the function at byte ${at} has ${locals - params} locals, at most ${MAX_LOCALS} are allowed`,
      );
    }
  }
  return locals;
}

/** Nothing, one value type, or a type's index, which is a signed number of 33 bits. */
function readBlockType(reader: Reader, types: number): void {
  const at = reader.at;
  const first = reader.byte();
  if (isValType(first)) return;
  // one byte with its sign bit set: a type, but none of those above
  if (first >= 0x40 && first < 0x80) throw badType(first, at);
  reader.at = at;
  const index = reader.u32();
  // the last byte's sign bit makes the number negative: the engine would read a value type
  if ((reader.bytes[reader.at - 1] as number) & 0x40)
    throw new Error(`the block type at byte ${at} is unknown`);
  if (index >= types) throw noSuch("type", index, types, at);
}

function readAddress(reader: Reader, { memories }: Spaces): void {
  const at = reader.at;
  if (memories === 0) throw noSuch("memory", 0, 0, at);
  const alignment = reader.u32();
  // bit 6 says that a memory's index follows
  if (alignment >= 64) throw new Error(`the memory access at byte ${at} names a memory: ${MULTI_MEMORY}`);
  if (alignment > 4) {
    throw new Error(
      `the memory access at byte ${at} has the alignment 2^${alignment}, at most 2^4 is possible`,
    );
  }
  reader.u32();
}

function readMemoryIndex(reader: Reader, { memories }: Spaces): void {
  reader.index(memories, "memory");
}

function readLane(reader: Reader, lanes: number): void {
  const at = reader.at;
  const lane = reader.byte();
  if (lane >= lanes) throw noSuch("lane", lane, lanes, at);
}
