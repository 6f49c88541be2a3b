/**
 * Walks a function's body (core specification 2.0, section 5.4): every instruction with its immediates, to its exact end. Types
 * are the engine's business; what counts here is that the engine cannot read another instruction than we do.
 */
import type { CallGraph } from "./graph.ts";
import { readBlockType, walkOther } from "./instructions.ts";
import { noSuch, type Reader } from "./reader.ts";
import { readAddress, type Spaces } from "./spaces.ts";
import { readValType } from "./types.ts";

/** What can be open at a place of a body; an else belongs to the second only. */
const BLOCK = 1;
const IF = 2;

/** More locals the engine refuses too. */
const MAX_LOCALS = 50_000;

/** Far more than a compiler nests. */
const MAX_DEPTH = 65_536;

/** One for all bodies: what is open, from the outside in. */
const open = new Uint8Array(MAX_DEPTH + 1);

/**
 * Reads from the reader's position to `end`, where the body must end. This is the one loop that every byte of code goes through,
 * so it reads what is frequent itself. The engine compiles a switch over literals into one jump, but not one over names.
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
  // the position lives in a variable, and in the reader only while that reads something longer
  let at = reader.at;
  while (at < end) {
    const opcode = bytes[at++] as number;
    // numeric instructions, without immediates
    if (opcode >= 0x45 && opcode <= 0xc4) continue;
    // loads and stores: alignment of one byte, offset of at most four; else read with care
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
        if (depth > MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} blocks are open at byte ${at}`);
        open[depth] = opcode === 0x04 ? IF : BLOCK;
        break;
      case 0x05: // else
        if (open[depth] !== IF) throw new Error(`the else at byte ${at - 1} has no if`);
        open[depth] = BLOCK;
        break;
      case 0x0b: // end
        depth -= 1;
        if (depth >= 0) break;
        if (at !== end) throw new Error(`the body ends at byte ${at}, its size says byte ${end}`);
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
          if (index >= globals) throw noSuch("global", index, globals, start);
        } else if (opcode >= 0x20) {
          if (index >= locals) throw noSuch("local", index, locals, start);
        } else if (opcode < 0x10) {
          if (index > depth) throw noSuch("label", index, depth + 1, start);
        } else {
          if (index >= functions) throw noSuch("function", index, functions, start);
          calls.call(index);
        }
        break;
      }
      case 0x41: // i32.const
      case 0x42: {
        // i64.const
        const start = at;
        while ((bytes[at] as number) >= 128) at += 1;
        at += 1;
        // only a number of full length can have bits too many
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
      ? `an instruction goes over the end of its body at byte ${end}`
      : `the body that ends at byte ${end} has ${depth + 1} blocks open`,
  );
}

/** Locals are written in runs of one type. Gives their number with the parameters. */
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
