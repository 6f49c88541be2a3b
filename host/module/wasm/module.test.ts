import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { customSection, leb, moduleOf, section, text, wasm } from "../../../test/support/wasm.ts";
import { type ModuleOutline, readModule, readPartialModule } from "./module.ts";

const REAL = wasm(`(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "kleidi:keystore" "seal" (func $seal (param i64 f32) (result i64)))
  (memory (export "memory") 1 2)
  (global (export "counter") (mut i32) (i32.const 0))
  (table (export "table") 1 externref)
  (start $begin)
  (data (i32.const 0) "text")
  (func $begin)
  (func (export "kleidi_status") (result i32) (drop (call $alloc (i64.const 1))) (i32.const 0))
  (func (export "kleidi_encrypt") (result i32)
    (drop (call $seal (i64.const 1) (f32.const 1))) (i32.const 0)))`);

function outline(bytes: Uint8Array): Partial<ModuleOutline> {
  const { imports, exports, memories, tables, globals, start, customSections, functionCount } =
    readModule(bytes);
  return {
    imports,
    exports,
    memories,
    tables,
    globals,
    ...(start !== undefined && { start }),
    customSections,
    functionCount,
  };
}

test("readModule returns the declarations of a module in their order", () => {
  const rpc = { params: [], results: ["i32"] };
  assert.deepEqual(outline(REAL), {
    imports: [
      {
        module: "extism:host/env",
        name: "alloc",
        kind: "function",
        type: { params: ["i64"], results: ["i64"] },
      },
      {
        module: "kleidi:keystore",
        name: "seal",
        kind: "function",
        type: { params: ["i64", "f32"], results: ["i64"] },
      },
    ],
    exports: [
      { name: "memory", kind: "memory", index: 0 },
      { name: "counter", kind: "global", index: 0 },
      { name: "table", kind: "table", index: 0 },
      { name: "kleidi_status", kind: "function", index: 3, type: rpc },
      { name: "kleidi_encrypt", kind: "function", index: 4, type: rpc },
    ],
    memories: [{ min: 1, max: 2, shared: false, is64: false }],
    tables: [{ min: 1, shared: false, is64: false, element: "externref" }],
    globals: [{ type: "i32", mutable: true }],
    start: 2,
    customSections: [],
    functionCount: 3,
  });
});

test("readModule returns empty lists for an empty module", () => {
  assert.deepEqual(outline(moduleOf()), {
    imports: [],
    exports: [],
    memories: [],
    tables: [],
    globals: [],
    customSections: [],
    functionCount: 0,
  });
});

test("readModule returns the offset and size of each section", () => {
  const bytes = moduleOf(customSection("a", 1, 2), section(1, 1, 0x60, 0, 0));
  assert.deepEqual(readModule(bytes).sections, [
    { id: 0, name: "a", offset: 10, size: 4 },
    { id: 1, offset: 16, size: 4 },
  ]);
});

test("readModule returns the type of an exported import", () => {
  const { exports } = readModule(
    wasm('(module (import "m" "n" (func $f (param f64))) (export "e" (func $f)))'),
  );
  assert.deepEqual(exports, [
    { name: "e", kind: "function", index: 0, type: { params: ["f64"], results: [] } },
  ]);
});

test("readModule reads names beyond ASCII", () => {
  const [entry] = readModule(wasm('(module (import "\\ce\\ba" "\\f0\\9f\\94\\91" (func)))')).imports;
  assert.deepEqual([entry?.module, entry?.name], ["κ", "🔑"]);
});

test("readModule keeps a byte order mark in a name, as the engine does", () => {
  const bytes = moduleOf(customSection("\ufeffkleidi.provider", 1));
  assert.deepEqual(
    readModule(bytes).customSections.map(({ name }) => name),
    ["\ufeffkleidi.provider"],
  );
  const compiled = new WebAssembly.Module(bytes);
  assert.equal(WebAssembly.Module.customSections(compiled, "kleidi.provider").length, 0);
});

test("readModule reads a function whose type index needs two bytes", () => {
  const types = Array.from({ length: 200 }, (_, i) => `(type $t${i} (func (param ${"i32 ".repeat(i)})))`);
  const { imports } = readModule(wasm(`(module ${types.join(" ")} (import "m" "n" (func (type $t199))))`));
  assert.equal(imports[0]?.type.params.length, 199);
});

test("readModule reads numbers padded to their full length, as linkers write them", () => {
  const bytes = moduleOf([1, 0x84, 0x80, 0x80, 0x80, 0x00, 1, 0x60, 0, 0]);
  assert.ok(WebAssembly.validate(bytes));
  assert.equal(readModule(bytes).sections[0]?.size, 4);
});

test("readModule returns all custom sections, wherever they are, and duplicates", () => {
  const bytes = moduleOf(
    customSection("a", 1),
    section(1, 0),
    customSection("b", 4),
    section(2, 0),
    customSection("", 2, 3),
    customSection("a"),
  );
  assert.deepEqual(
    readModule(bytes).customSections.map(({ name, bytes }) => [name, [...bytes]]),
    [
      ["a", [1]],
      ["b", [4]],
      ["", [2, 3]],
      ["a", []],
    ],
  );
});

test("readModule reads version 2.0 with tail calls", () => {
  const bytes = wasm(`(module
    (type $t (func (param i32) (result i32)))
    (import "m" "n" (func $n (param i32) (result i32)))
    (memory 1)
    (table $a 4 funcref) (table $b 4 externref)
    (global $g (mut funcref) (ref.null func))
    (elem (table $a) (i32.const 0) func $f $n)
    (elem $passive func $f)
    (elem declare func $g)
    (elem (table $a) (offset (i32.const 2)) funcref (ref.func $f) (ref.null func))
    (data $d "abc")
    (func $f (param i32) (result i32) (return_call $n (local.get 0)))
    (func $g (param i32) (result i32) (return_call_indirect $a (type $t) (local.get 0) (i32.const 1)))
    (func (param externref) (result i32 i64) (local v128)
      (global.set $g (ref.func $g))
      (table.set $b (i32.const 1) (local.get 0))
      (drop (table.grow $b (local.get 0) (i32.const 1)))
      (table.fill $b (i32.const 0) (local.get 0) (table.size $b))
      (table.copy $b $b (i32.const 0) (i32.const 1) (i32.const 1))
      (table.init $a $passive (i32.const 0) (i32.const 0) (i32.const 1))
      (elem.drop $passive)
      (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))
      (data.drop $d)
      (memory.copy (i32.const 0) (i32.const 1) (i32.const 1))
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 1))
      (drop (memory.grow (memory.size)))
      (drop (i32.trunc_sat_f64_u (f64.const 1)))
      (drop (i64.extend32_s (i64.const -9223372036854775808)))
      (drop (select (result externref) (local.get 0) (ref.null extern) (i32.const 1)))
      (local.set 1 (v128.const i32x4 1 2 3 4))
      (local.set 1 (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get 1) (local.get 1)))
      (local.set 1 (v128.load8_lane offset=1000 15 (i32.const 0) (local.get 1)))
      (drop (i16x8.extract_lane_s 7 (local.get 1)))
      (block (result i32 i64) (i32.const -2147483648) (i64.const 1))))`);
  assert.ok(WebAssembly.validate(bytes));
  assert.equal(readModule(bytes).functionCount, 3);
});

test("readModule refuses every truncated module, or reads a prefix of its contents", () => {
  const whole = readModule(REAL);
  for (let length = 0; length < REAL.length; length++) {
    try {
      const { imports, exports } = readModule(REAL.subarray(0, length));
      assert.deepEqual(imports, whole.imports.slice(0, imports.length));
      assert.deepEqual(exports, whole.exports.slice(0, exports.length));
    } catch (error) {
      assert.equal((error as Error).name, "Error", `${length} bytes: ${error}`);
    }
  }
});

function onlyErrors(bytes: Uint8Array): void {
  try {
    readModule(bytes);
  } catch (error) {
    assert.equal((error as Error).constructor, Error, String(error));
  }
}

test("readModule of arbitrary sections throws nothing but an Error", () => {
  const content = fc.tuple(fc.nat(13), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.array(content), (contents) => {
      const sections = contents.toSorted(([a], [b]) => a - b).map(([id, bytes]) => section(id, ...bytes));
      onlyErrors(moduleOf(...sections));
    }),
    { numRuns: 2000 },
  );
});

test("readModule of arbitrary bodies throws nothing but an Error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (body) =>
      onlyErrors(
        moduleOf(
          section(1, 1, 0x60, 0, 0),
          section(3, 1, 0),
          section(5, 1, 0, 1),
          section(10, 1, ...leb(body.length + 2), 0, ...body, 0x0b),
        ),
      ),
    ),
    { numRuns: 3000 },
  );
});

test("readModule of arbitrary bytes throws nothing but an Error", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.boolean(), (bytes, preamble) =>
      onlyErrors(preamble ? moduleOf([...bytes]) : bytes),
    ),
    { numRuns: 1000 },
  );
});

test("readModule reads names of at most 100,000 bytes", () => {
  const bytes = (length: number) => moduleOf(section(0, ...text("x".repeat(length))));
  assert.equal(readModule(bytes(100_000)).customSections[0]?.name.length, 100_000);
  assert.throws(() => readModule(bytes(100_001)), {
    message: "the name at byte 12 has 100001 bytes, at most 100000 are allowed",
  });
});

test("readPartialModule returns the part before the byte at which readModule stops, and that byte", () => {
  const broken = Uint8Array.from([...REAL, ...customSection("late", 1), 77, 0]);
  const { imports, customSections, module, stopped } = readPartialModule(broken);
  assert.deepEqual(imports, readModule(REAL).imports);
  assert.deepEqual(customSections, [{ name: "late", bytes: Uint8Array.of(1) }]);
  assert.equal(module, undefined);
  const at = broken.length - 2;
  assert.deepEqual(stopped, { at, why: `the section 77 at byte ${at} is unknown` });
});

test("readPartialModule returns the same module as readModule if nothing is malformed", () => {
  const { module, stopped } = readPartialModule(REAL);
  assert.deepEqual(module, readModule(REAL));
  assert.equal(stopped, undefined);
});
