/**
 * Reads a function body (core specification 2.0, section 5.4): every instruction with its immediates, to the exact end. Types are
 * left to the engine's validation; this code ensures that it sees the same instructions as the engine.
 */
import type { CallGraph } from "./graph.ts";
import { readBlockType, walkOther } from "./instructions.ts";
import { indexOutOfRange, type Reader } from "./reader.ts";
import { readAddress, type Spaces } from "./spaces.ts";
import { readValType } from "./types.ts";

/** Kinds of open blocks; only IF allows an else. */
const BLOCK = 1;
const IF = 2;

/** Maximum number of locals; the engine's own limit. */
const MAX_LOCALS = 50_000;

/** Maximum nesting of blocks; far more than compilers produce. */
const MAX_DEPTH = 65_536;

/** The kinds of the open blocks, outermost first. One array for all bodies. */
const open = new Uint8Array(MAX_DEPTH + 1);

/**
 * Reads the body from the reader's position to `end`, and records its calls. Every byte of code passes this loop, so frequent
 * instructions are read inline. The cases are literals, because the engine compiles a switch over literals into one jump.
 * @param end offset at which the body must end
 * @param params number of parameters of the function
 */
export function walkBody(
  reader: Reader,
  end: number,
  params: number,
  spaces: Spaces,
  calls: CallGraph,
): void {
  const locals = readLocals(reader, params);
  const { bytes } = reader;
  const { functions, globals, memories } = spaces;
  let depth = 0;
  open[0] = BLOCK;
  // the position is kept in a local variable, and stored in the reader only while the reader is used
  let at = reader.at;
  while (at < end) {
    const opcode = bytes[at++] as number;
    // numeric instructions have no immediates
    if (opcode >= 0x45 && opcode <= 0xc4) continue;
    // loads and stores: fast path for an alignment of one byte and an offset of at most four
    if (opcode >= 0x28 && opcode <= 0x3e) {
      const start = at;
      const alignment = bytes[at++] as number;
      while ((bytes[at] as number) >= 128) at += 1;
      at += 1;
      if (alignment > 4 || at - start > 5 || memories === 0) {
        reader.at = start;
        readAddress(reader, spaces);
        at = reader.at;
      }
      continue;
    }
    switch (opcode) {
      case 0x00: // unreachable
      case 0x01: // nop
      case 0x0f: // return
      case 0x1a: // drop
      case 0x1b: // select
        break;
      case 0x02: // block
      case 0x03: // loop
      case 0x04: // if
        if ((bytes[at] as number) === 0x40) at += 1;
        else {
          reader.at = at;
          readBlockType(reader, spaces.types);
          at = reader.at;
        }
        depth += 1;
        if (depth > MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} blocks are nested at byte ${at}`);
        open[depth] = opcode === 0x04 ? IF : BLOCK;
        break;
      case 0x05: // else
        if (open[depth] !== IF) throw new Error(`the else at byte ${at - 1} has no matching if`);
        open[depth] = BLOCK;
        break;
      case 0x0b: // end
        depth -= 1;
        if (depth >= 0) break;
        if (at !== end) throw new Error(`the body ends at byte ${at}, but its size says byte ${end}`);
        reader.at = at;
        return;
      case 0x0c: // br
      case 0x0d: // br_if
      case 0x10: // call
      case 0x12: // return_call
      case 0x20: // local.get
      case 0x21: // local.set
      case 0x22: // local.tee
      case 0x23: // global.get
      case 0x24: {
        // global.set
        const start = at;
        let index = bytes[at] as number;
        const second = bytes[at + 1] as number;
        if (index < 128) at += 1;
        else if (second < 128) {
          index = (index & 127) | (second << 7);
          at += 2;
        } else {
          reader.at = at;
          index = reader.u32();
          at = reader.at;
        }
        if (opcode >= 0x23) {
          if (index >= globals) throw indexOutOfRange("global", index, globals, start);
        } else if (opcode >= 0x20) {
          if (index >= locals) throw indexOutOfRange("local", index, locals, start);
        } else if (opcode < 0x10) {
          if (index > depth) throw indexOutOfRange("label", index, depth + 1, start);
        } else {
          if (index >= functions) throw indexOutOfRange("function", index, functions, start);
          calls.call(index);
          calls.references?.add(index, start, at);
        }
        break;
      }
      case 0x41: // i32.const
      case 0x42: {
        // i64.const
        const start = at;
        while ((bytes[at] as number) >= 128) at += 1;
        at += 1;
        // only a number of full length can have too many bits
        if (at - start >= 5) {
          reader.at = start;
          reader.signed(opcode === 0x41 ? 32 : 64);
        }
        break;
      }
      default:
        reader.at = at;
        walkOther(reader, opcode, depth, spaces, calls);
        at = reader.at;
    }
  }
  throw new Error(
    at > end
      ? `an instruction extends past the end of its body at byte ${end}`
      : `the body that ends at byte ${end} has ${depth + 1} unclosed blocks`,
  );
}

/** Reads the local declarations, which are runs of one type. Returns the number of locals, parameters included. */
function readLocals(reader: Reader, params: number): number {
  const at = reader.at;
  let locals = 0;
  for (let runs = reader.count(2); runs > 0; runs--) {
    locals += reader.u32();
    readValType(reader);
    if (locals > MAX_LOCALS) {
      throw new Error(`the body at byte ${at} has ${locals} locals, at most ${MAX_LOCALS} are allowed`);
    }
  }
  return params + locals;
}
