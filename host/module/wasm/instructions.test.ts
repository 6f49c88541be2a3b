/**
 * Compares the immediates of each instruction with the engine. After `unreachable` the operand stack is polymorphic, so the engine
 * refuses an instruction only for its encoding.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { leb, moduleOf, section } from "../../../test/support/wasm.ts";
import { readModule } from "./module.ts";

const UNREACHABLE = 0x00;
const END = 0x0b;
/** Ends a body with any operand stack. Read as immediates, its bytes are invalid except in constants. */
const BRANCH = [0x0c, 0];
/** Enough zeros for any immediates: one instruction takes at most 17 bytes. */
const MOST = 18;

/** A function in a module that has one object of each index space, with the index 0. */
function withBody(...instructions: readonly number[]): Uint8Array {
  const body = [1, 1, 0x7f, UNREACHABLE, ...instructions, ...BRANCH, END];
  return moduleOf(
    section(1, 1, 0x60, 0, 0),
    section(3, 1, 0),
    section(4, 1, 0x70, 0, 1),
    section(5, 1, 0, 1),
    section(6, 1, 0x7f, 1, 0x41, 0, END),
    section(9, 1, 3, 0, 1, 0),
    section(12, 1),
    section(10, 1, ...leb(body.length), ...body),
    section(11, 1, 1, 0),
  );
}

function accepts(bytes: Uint8Array): boolean {
  try {
    readModule(bytes);
    return true;
  } catch {
    return false;
  }
}

/** The numbers of zero bytes that are valid immediates, for readModule and for the engine. */
function lengths(...opcode: readonly number[]): [ours: number[], engines: number[]] {
  return compare((length) => withBody(...opcode, ...Array(length).fill(0)));
}

/** The same with bytes 0xff, which are not an instruction, followed by `unreachable`: for constants of a fixed length. */
function constantLengths(...opcode: readonly number[]): [ours: number[], engines: number[]] {
  const after = Array(MOST).fill(UNREACHABLE);
  return compare((length) => withBody(...opcode, ...Array(length).fill(0xff), ...after));
}

function compare(make: (length: number) => Uint8Array): [ours: number[], engines: number[]] {
  const all = Array.from({ length: MOST + 1 }, (_, length) => length);
  return [
    all.filter((length) => accepts(make(length))),
    all.filter((length) => WebAssembly.validate(make(length))),
  ];
}

/** Supported by the engine, refused by readModule: exceptions, typed references, garbage collection, threads. */
const REFUSED = new Set([
  0x06, 0x07, 0x08, 0x09, 0x0a, 0x14, 0x15, 0x18, 0x19, 0x1f, 0xd3, 0xd4, 0xd5, 0xd6, 0xfb, 0xfe,
]);
const F32_CONST = 0x43;
const F64_CONST = 0x44;
const REF_NULL = 0xd0;
const MISC = 0xfc;
const SIMD = 0xfd;
const V128_CONST = 0x0c;
const SHUFFLE = 0x0d;
const LOAD_LANE = 0x54;
const hex = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

for (let opcode = 0; opcode < 256; opcode++) {
  if ([F32_CONST, F64_CONST, REF_NULL, MISC, SIMD].includes(opcode)) continue;
  test(`readModule reads the same immediates of ${hex([opcode])} as the engine`, () => {
    const [ours, engines] = lengths(opcode);
    if (REFUSED.has(opcode)) assert.deepEqual(ours, []);
    else assert.deepEqual(ours, engines);
  });
}

for (const [opcode, size] of [
  [F32_CONST, 4],
  [F64_CONST, 8],
] as const) {
  test(`readModule reads ${size} bytes as the immediate of ${hex([opcode])}`, () => {
    const expected = Array.from({ length: size + 1 }, (_, length) => length);
    assert.deepEqual(constantLengths(opcode), [expected, expected]);
  });
}

test("readModule accepts only funcref and externref as the type of a null", () => {
  for (let type = 0; type < 256; type++) {
    const bytes = withBody(REF_NULL, type);
    assert.equal(accepts(bytes), type === 0x70 || type === 0x6f, hex([type]));
    if (accepts(bytes)) assert.ok(WebAssembly.validate(bytes));
  }
});

test("readModule reads the same immediates of each instruction with the prefix 0xfc as the engine", () => {
  for (let opcode = 0; opcode < 64; opcode++) {
    const [ours, engines] = lengths(MISC, opcode);
    assert.deepEqual(ours, engines, hex([opcode]));
    assert.equal(ours.length > 0, opcode < 18, hex([opcode]));
  }
});

test("readModule reads the same immediates of each instruction with the prefix 0xfd as the engine", () => {
  let known = 0;
  for (let opcode = 0; opcode < 256; opcode++) {
    const of = opcode === V128_CONST ? constantLengths : lengths;
    const [ours, engines] = of(SIMD, ...leb(opcode));
    // Here the two bytes of the branch can be valid immediates; then only the types are wrong.
    if (opcode === SHUFFLE || (opcode >= LOAD_LANE && opcode <= LOAD_LANE + 3)) ours.shift();
    assert.deepEqual(ours, engines, hex([opcode]));
    if (ours.length > 0) known += 1;
  }
  // core specification 2.0, section 5.4.8
  assert.equal(known, 236);
});

test("readModule limits each lane as the engine does", () => {
  for (let opcode = 0x0d; opcode < 0x60; opcode++) {
    for (const fill of [1, 2, 3, 4, 7, 8, 15, 16, 31, 32]) {
      const access = opcode >= 0x54 ? [0, 0] : [];
      for (const count of [1, 16]) {
        const bytes = withBody(0xfd, opcode, ...access, ...Array(count).fill(fill));
        // Bytes after the lanes are read as instructions, so the sides are compared only if one accepts.
        if (accepts(bytes)) assert.ok(WebAssembly.validate(bytes), `${hex([opcode])} lane ${fill}`);
        if (WebAssembly.validate(bytes)) assert.ok(accepts(bytes), `${hex([opcode])} lane ${fill}`);
      }
    }
  }
});

/** An encoding of `length` bytes in which all bits before the last byte equal `sign`. */
function padded(length: number, sign: 0 | 1, last: number): number[] {
  return [...Array(length - 1).fill(sign ? 0xff : 0x80), last];
}

for (const [name, opcode, lengths] of [
  ["an i32.const", 0x41, [1, 2, 4, 5, 6]],
  ["an i64.const", 0x42, [1, 5, 9, 10, 11]],
  ["a local's index", 0x20, [1, 2, 3, 4, 5, 6]],
  ["a global's index", 0x23, [1, 2, 3, 4, 5, 6]],
  ["a function's index", 0x10, [1, 2, 3, 4, 5, 6]],
  ["a label", 0x0c, [1, 2, 3, 4, 5, 6]],
  ["a block's type", 0x02, [1, 2, 3, 4, 5, 6]],
  ["the type of a reference", 0xd0, [1, 2, 3, 4, 5, 6]],
  ["a memory's index", 0x3f, [1, 2, 3, 4, 5, 6]],
] as const) {
  test(`readModule accepts no encoding of ${name} that the engine refuses`, () => {
    let both = 0;
    for (const length of lengths) {
      for (const sign of [0, 1] as const) {
        for (let last = 0; last < 256; last++) {
          const end = opcode === 0x02 ? [END] : [];
          const bytes = withBody(opcode, ...padded(length, sign, last), UNREACHABLE, ...end);
          if (!accepts(bytes)) continue;
          both += 1;
          assert.ok(WebAssembly.validate(bytes), hex([opcode, ...padded(length, sign, last)]));
        }
      }
    }
    assert.ok(both > 0);
  });
}
