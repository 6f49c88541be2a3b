import assert from "node:assert/strict";
import { test } from "node:test";
import { readConstant } from "./expression.ts";
import { Reader } from "./reader.ts";

/** Three functions are there. What it gives, and where the reader stands then. */
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
  test(`readConstant refuses ${name} that is cut short`, () => {
    for (let end = 0; end < bytes.length; end++)
      assert.throws(() => read(...bytes.slice(0, end)), {
        message: /^it is cut short( at byte \d+$|: \d+ bytes are claimed)/,
      });
  });
}

const REFUSED: readonly (readonly [string, number[], string])[] = [
  ["another SIMD opcode", [0xfd, 13, ...zeros(16), 0x0b], "the opcode 0xfd at byte 0 is no constant"],
  ["global.get", [0x23, 0, 0x0b], "the opcode 0x23 at byte 0 is no constant"],
  ["nothing", [0x0b], "the opcode 0x0b at byte 0 is no constant"],
  [
    "two values",
    [0x41, 0, 0x41, 0, 0x0b],
    "the constant at byte 0 goes on with 0x41 at byte 2, not with end",
  ],
];
for (const [name, bytes, message] of REFUSED) {
  test(`readConstant refuses ${name}`, () => assert.throws(() => read(...bytes), { message }));
}
