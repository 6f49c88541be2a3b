import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSentences, thrown } from "../../../test/support/thrown.ts";
import { customSection, moduleOf, section, wasm } from "../../../test/support/wasm.ts";
import { readModule } from "./module.ts";
import { clampLimits } from "./rewrite.ts";

function clamp(bytes: Uint8Array, memoryPages: number, tableEntries: number): Uint8Array {
  const clamped = clampLimits(bytes, readModule(bytes), { memoryPages, tableEntries });
  assert.ok(WebAssembly.validate(clamped));
  return clamped;
}

const CASES: [what: string, wat: string, expected: { memories: unknown; tables: unknown }][] = [
  [
    "writes a missing maximum",
    "(module (memory 1) (table 2 funcref))",
    { memories: [[1, 300]], tables: [[2, 1000]] },
  ],
  [
    "lowers a maximum",
    "(module (memory 1 65536) (table 2 100000 funcref))",
    { memories: [[1, 300]], tables: [[2, 1000]] },
  ],
  [
    "keeps a lower maximum",
    "(module (memory 1 2) (table 2 3 externref))",
    { memories: [[1, 2]], tables: [[2, 3]] },
  ],
  [
    "keeps a maximum that equals the cap",
    "(module (memory 300 300) (table 1000 1000 funcref))",
    { memories: [[300, 300]], tables: [[1000, 1000]] },
  ],
  [
    "clamps every table",
    "(module (table 1 funcref) (table 2 3 externref) (table 3 2000 funcref))",
    {
      memories: [],
      tables: [
        [1, 1000],
        [2, 3],
        [3, 1000],
      ],
    },
  ],
  ["has nothing to clamp in an empty module", "(module)", { memories: [], tables: [] }],
];

for (const [what, wat, expected] of CASES) {
  test(`clampLimits ${what}`, () => {
    const { memories, tables } = readModule(clamp(wasm(wat), 300, 1000));
    const pair = ({ min, max }: { min: number; max?: number }) => [min, max];
    assert.deepEqual({ memories: memories.map(pair), tables: tables.map(pair) }, expected);
  });
}

test("clampLimits makes a memory that can grow to the cap and no further", () => {
  const bytes = wasm(
    '(module (memory 1) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))',
  );
  const { grow } = new WebAssembly.Instance(new WebAssembly.Module(clamp(bytes, 3, 0))).exports;
  assert.ok(grow instanceof Function);
  assert.deepEqual([grow(3), grow(2), grow(1)], [-1, 1, -1]);
});

test("clampLimits makes a table that can grow to the cap and no further", () => {
  const bytes = wasm(`(module (table 1 externref)
    (func (export "grow") (param i32) (result i32) (table.grow (ref.null extern) (local.get 0))))`);
  const { grow } = new WebAssembly.Instance(new WebAssembly.Module(clamp(bytes, 0, 3))).exports;
  assert.ok(grow instanceof Function);
  assert.deepEqual([grow(3), grow(2), grow(1)], [-1, 1, -1]);
});

test("clampLimits changes nothing but the limits and their sections' sizes", () => {
  const before = [...customSection("a", 1), ...section(1, 1, 0x60, 0, 0), ...section(3, 1, 0)];
  const between = customSection("b", 2);
  const after = [...section(10, 1, 2, 0, 0x0b), ...customSection("c", 3)];
  // with a padded length, count and minimum
  const table = [4, 0x86, 0x80, 0x00, 0x81, 0x00, 0x70, 0, 0x81, 0x00];
  const memory = section(5, 1, 1, 0x81, 0x00, 0x80, 0x80, 0x04);
  assert.deepEqual(
    clamp(moduleOf(before, table, between, memory, after), 300, 1000),
    moduleOf(
      before,
      section(4, 0x81, 0x00, 0x70, 1, 1, 0xe8, 0x07),
      between,
      section(5, 1, 1, 1, 0xac, 0x02),
      after,
    ),
  );
});

test("clampLimits returns a module without memory and tables unchanged", () => {
  const bytes = moduleOf(customSection("a", 1), section(1, 0), customSection("b"));
  assert.deepEqual(clamp(bytes, 1, 1), bytes);
});

test("clampLimits changes a section whose size grows over 127 bytes", () => {
  const wat = `(module ${Array(16).fill("(table 1 funcref)").join("")} (func))`;
  const { tables, functionCount } = readModule(clamp(wasm(wat), 1, 10_000_000));
  assert.deepEqual([tables.length, tables[15]?.max, functionCount], [16, 10_000_000, 1]);
});

test("clampLimits never writes a maximum of more than 65,536 pages", () => {
  const [memory] = readModule(clamp(wasm("(module (memory 1))"), 100_000, 0)).memories;
  assert.equal(memory?.max, 65536);
});

test("clampLimits refuses a memory or a table whose initial size exceeds the cap", (t) => {
  const memory = thrown(() => clamp(wasm("(module (memory 301))"), 300, 0)).message;
  const table = thrown(() => clamp(wasm("(module (table 1 funcref) (table 11 funcref))"), 0, 10)).message;
  assert.match(memory, /^the memory at byte 11 .*\b301\b.*\b300\b/);
  assert.match(table, /^the table at byte 15 .*\b11\b.*\b10\b/);
  assertSentences(t, { memory, table });
});
