import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import wabt from "wabt";
import { readModule } from "./module.ts";

const { parseWat } = await wabt();
const PREAMBLE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

function wasm(wat: string): Uint8Array {
  const module = parseWat("test.wat", wat, {
    exceptions: true,
    memory64: true,
    threads: true,
    multi_value: true,
  });
  const { buffer } = module.toBinary({ write_debug_names: false });
  module.destroy();
  return buffer;
}

function custom(name: string, bytes: Uint8Array): Uint8Array {
  const label = Buffer.from(name);
  const content = Buffer.concat([Uint8Array.of(label.length), label, bytes]);
  assert.ok(content.length < 128);
  return Buffer.concat([Uint8Array.of(0, content.length), content]);
}

const REAL = wasm(`(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "kleidi:keystore" "seal" (func $seal (param i64) (result i64)))
  (memory (export "memory") 1 2)
  (global (export "counter") (mut i32) (i32.const 0))
  (table (export "table") 1 funcref)
  (data (i32.const 0) "text")
  (func (export "kleidi_status") (result i32) (drop (call $alloc (i64.const 1))) (i32.const 0))
  (func (export "kleidi_encrypt") (result i32) (drop (call $seal (i64.const 1))) (i32.const 0)))`);

test("readModule gives a module's imports and exports in their order", () => {
  assert.deepEqual(readModule(REAL), {
    imports: [
      { module: "extism:host/env", name: "alloc", kind: "function" },
      { module: "kleidi:keystore", name: "seal", kind: "function" },
    ],
    exports: [
      { name: "memory", kind: "memory" },
      { name: "counter", kind: "global" },
      { name: "table", kind: "table" },
      { name: "kleidi_status", kind: "function" },
      { name: "kleidi_encrypt", kind: "function" },
    ],
    memories: [{ shared: false }],
    customSections: [],
  });
});

test("readModule agrees with the engine", () => {
  const { imports, exports } = readModule(REAL);
  const engine = new WebAssembly.Module(REAL);
  assert.deepEqual(imports, WebAssembly.Module.imports(engine));
  assert.equal(exports.length, 5);
});

test("readModule gives nothing of an empty module", () => {
  assert.deepEqual(readModule(Uint8Array.from(PREAMBLE)), {
    imports: [],
    exports: [],
    memories: [],
    customSections: [],
  });
});

const IMPORTS: [string, string, string][] = [
  ["a memory", '(import "m" "n" (memory 1))', "memory"],
  ["a memory with a maximum", '(import "m" "n" (memory 1 70000))', "memory"],
  ["a shared memory", '(import "m" "n" (memory 1 2 shared))', "memory"],
  ["a 64-bit memory", '(import "m" "n" (memory i64 1 2))', "memory"],
  ["a table", '(import "m" "n" (table 1 funcref))', "table"],
  ["a table with a maximum", '(import "m" "n" (table 1 300 externref))', "table"],
  ["a global", '(import "m" "n" (global i32))', "global"],
  ["a mutable global", '(import "m" "n" (global (mut i64)))', "global"],
  ["a tag", '(import "m" "n" (tag (param i32)))', "tag"],
  ["a function", '(import "m" "n" (func (param i32)))', "function"],
];
for (const [what, wat, kind] of IMPORTS) {
  test(`readModule reads the import of ${what} and what follows it`, () => {
    const { imports } = readModule(wasm(`(module ${wat} (import "after" "it" (func)))`));
    assert.deepEqual(imports, [
      { module: "m", name: "n", kind },
      { module: "after", name: "it", kind: "function" },
    ]);
  });
}

test("readModule reads names that are no ASCII", () => {
  const { imports } = readModule(wasm('(module (import "\\ce\\ba" "\\f0\\9f\\94\\91" (func)))'));
  assert.deepEqual(imports, [{ module: "κ", name: "🔑", kind: "function" }]);
});

test("readModule reads a function whose type's number needs two bytes", () => {
  const types = Array.from({ length: 200 }, (_, i) => `(type $t${i} (func (param ${"i32 ".repeat(i)})))`);
  const { imports } = readModule(wasm(`(module ${types.join(" ")} (import "m" "n" (func (type $t199))))`));
  assert.deepEqual(imports, [{ module: "m", name: "n", kind: "function" }]);
});

test("readModule gives every custom section, before, behind and twice", () => {
  const bytes = Buffer.concat([
    Uint8Array.from(PREAMBLE),
    custom("a", Uint8Array.of(1)),
    REAL.subarray(8),
    custom("", Uint8Array.of(2, 3)),
    custom("a", new Uint8Array()),
  ]);
  assert.deepEqual(
    readModule(bytes).customSections.map(({ name, bytes }) => [name, [...bytes]]),
    [
      ["a", [1]],
      ["", [2, 3]],
      ["a", []],
    ],
  );
});

const NO_CORE_MODULE = "it does not begin as a WebAssembly core module does (00 61 73 6d 01 00 00 00)";
const after = (...bytes: number[]) => Uint8Array.from([...PREAMBLE, ...bytes]);
const REFUSED: [string, Uint8Array, string][] = [
  ["no bytes", new Uint8Array(), NO_CORE_MODULE],
  ["a preamble cut short", Uint8Array.from(PREAMBLE.slice(0, 7)), NO_CORE_MODULE],
  ["text", Buffer.from("(module)"), NO_CORE_MODULE],
  ["binary version 2", Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), NO_CORE_MODULE],
  ["a component", Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), NO_CORE_MODULE],
  ["a section without its length", after(1), "it is cut short at byte 9"],
  ["a section cut short", after(1, 2, 0), "it is cut short: 2 bytes are claimed at byte 10, 1 are left"],
  [
    "a section's length over 32 bits",
    after(1, 0x80, 0x80, 0x80, 0x80, 0x10),
    "the number before byte 14 is over 32 bits",
  ],
  [
    "a section's length without an end",
    after(1, ...Array(20).fill(0x80)),
    "the number before byte 19 is over 64 bits",
  ],
  [
    "a custom section whose name is longer than it",
    after(0, 1, 5),
    "it is cut short: 5 bytes are claimed at byte 1, 0 are left",
  ],
  ["a custom section whose name is no UTF-8", after(0, 2, 1, 0xff), "the name at byte 0 is no UTF-8"],
  ["a custom section without a name", after(0, 0), "it is cut short at byte 0"],
  ["imports that claim more than there is", after(2, 2, 3, 0), "a list claims 3 entries in 1 bytes"],
  [
    "exports that claim 2^32 - 1 entries",
    after(7, 5, 0xff, 0xff, 0xff, 0xff, 0x0f),
    "a list claims 4294967295 entries in 0 bytes",
  ],
  ["an import of an unknown kind", after(2, 5, 1, 0, 0, 9, 0), "kind 9 before byte 4 is unknown"],
  ["an export of an unknown kind", after(7, 4, 1, 0, 5, 0), "kind 5 before byte 3 is unknown"],
  ["an import cut short within", after(2, 4, 1, 0, 0, 0), "it is cut short at byte 4"],
];
for (const [what, bytes, message] of REFUSED) {
  test(`readModule refuses ${what}`, () => {
    assert.throws(() => readModule(bytes), { name: "Error", message });
  });
}

test("readModule refuses or reads every beginning of a module, and never more than is there", () => {
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
  const section = fc
    .tuple(fc.constantFrom(0, 1, 2, 7), fc.uint8Array({ maxLength: 40 }))
    .map(([id, bytes]) => [id, bytes.length, ...bytes]);
  fc.assert(
    fc.property(fc.array(section), (sections) => onlyErrors(after(...sections.flat()))),
    { numRuns: 2000 },
  );
});

test("readModule of arbitrary bytes throws nothing but an Error", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.boolean(), (bytes, preamble) =>
      onlyErrors(preamble ? after(...bytes) : bytes),
    ),
    { numRuns: 1000 },
  );
});

test("readModule of a module with changed bytes throws nothing but an Error", () => {
  const change = fc.tuple(fc.nat(REAL.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
      const bytes = Uint8Array.from(REAL);
      for (const [at, byte] of changes) bytes[at] = byte;
      onlyErrors(bytes);
    }),
    { numRuns: 2000 },
  );
});
