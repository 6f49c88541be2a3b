/** Constant expressions (core specification 2.0, section 3.3.7): one constant instruction, then end. */
import { hex, type Reader } from "./reader.ts";
import { readRefType } from "./types.ts";

/**
 * Reads a constant expression. `global.get` is refused: version 2.0 allows it for imported globals only, and guests import none.
 * @param functions number of functions in the module
 * @returns the index of the function that the expression refers to; undefined if there is none
 */
export function readConstant(reader: Reader, functions: number): number | undefined {
  const at = reader.at;
  const opcode = reader.byte();
  let target: number | undefined;
  if (opcode === 0x41) reader.signed(32);
  else if (opcode === 0x42) reader.signed(64);
  else if (opcode === 0x43) reader.skip(4);
  else if (opcode === 0x44) reader.skip(8);
  else if (opcode === 0xd0) readRefType(reader);
  else if (opcode === 0xd2) target = reader.index(functions, "function");
  else if (opcode === 0xfd && reader.u32() === 12) reader.skip(16);
  else throw new Error(`the opcode ${hex(opcode)} at byte ${at} is not allowed in a constant expression`);
  const end = reader.byte();
  if (end !== 0x0b) {
    throw new Error(
      `the constant expression at byte ${at} has ${hex(end)} at byte ${reader.at - 1} instead of end`,
    );
  }
  return target;
}
