import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSentences, thrown } from "../../../test/support/thrown.ts";
import { readConstant } from "./expression.ts";
import { Reader } from "./reader.ts";

/** Reads a constant in a module with three functions. Returns the result and the reader's position. */
function read(...bytes: number[]): { target: number | undefined; at: number } {
  const reader = new Reader(Uint8Array.from(bytes), 0);
  const target = readConstant(reader, 3);
  return { target, at: reader.at };
}
const zeros = (count: number) => Array<number>(count).fill(0);

const CONSTANTS: readonly (readonly [string, number[], number | undefined])[] = [
  ["i32.const", [0x41, 0x80, 0x01, 0x0b], undefined],
  ["i64.const", [0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x0b], undefined],
  ["f32.const", [0x43, ...zeros(4), 0x0b], undefined],
  ["f64.const", [0x44, ...zeros(8), 0x0b], undefined],
  ["v128.const", [0xfd, 12, ...zeros(16), 0x0b], undefined],
  ["ref.null", [0xd0, 0x70, 0x0b], undefined],
  ["ref.func", [0xd2, 2, 0x0b], 2],
];
for (const [name, bytes, target] of CONSTANTS) {
  test(`readConstant reads ${name} to its end, and no further`, () => {
    assert.deepEqual(read(...bytes, 0x0b, 0x0b), { target, at: bytes.length });
  });
  test(`readConstant refuses a truncated ${name}`, () => {
    for (let end = 0; end < bytes.length; end++)
      assert.throws(() => read(...bytes.slice(0, end)), {
        message: /^unexpected end at byte \d+(: \d+ bytes are needed, \d+ are left)?$/,
      });
  });
}

const REFUSED: readonly (readonly [string, number[]])[] = [
  ["another SIMD opcode", [0xfd, 13, ...zeros(16), 0x0b]],
  ["global.get", [0x23, 0, 0x0b]],
  ["nothing", [0x0b]],
  ["two values", [0x41, 0, 0x41, 0, 0x0b]],
];
for (const [name, bytes] of REFUSED) {
  test(`readConstant refuses ${name}`, (t) => {
    const { message } = thrown(() => read(...bytes));
    assert.match(message, / at byte 0 /);
    assertSentences(t, { [name]: message });
  });
}
