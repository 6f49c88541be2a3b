import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { customSection, moduleOf, section, wasm } from "../../../test/support/wasm.ts";
import { importMemory } from "./import-memory.ts";
import { readModule } from "./module.ts";

const HOST = { module: "host", name: "memory", kind: "memory" };
const providers = join(import.meta.dirname, "..", "..", "..", "providers");

function imported(bytes: Uint8Array): WebAssembly.Module {
  return new WebAssembly.Module(importMemory(bytes, readModule(bytes)));
}

const CASES: readonly (readonly [what: string, wat: string])[] = [
  ["imports", '(module (import "a" "b" (func)) (memory (export "memory") 1 2))'],
  ["no imports", '(module (memory (export "memory") 1 2) (func (export "f")))'],
  ["nothing else", "(module (memory 1 2))"],
  ["a table and globals", "(module (table 2 funcref) (memory 3 300) (global (mut i32) (i32.const 1)))"],
];

for (const [what, wat] of CASES) {
  test(`a module with ${what} imports its memory, after its other imports`, () => {
    const bytes = wasm(wat);
    const before = new WebAssembly.Module(bytes);
    const after = imported(bytes);
    assert.deepEqual(WebAssembly.Module.imports(after), [...WebAssembly.Module.imports(before), HOST]);
    assert.deepEqual(WebAssembly.Module.exports(after), WebAssembly.Module.exports(before));
  });
}

for (const file of readdirSync(providers).filter((name) => name.endsWith(".wasm"))) {
  test(`${file} imports its memory, and its other sections are unchanged`, () => {
    const bytes = new Uint8Array(readFileSync(join(providers, file)));
    const module = readModule(bytes);
    const after = importMemory(bytes, module);
    assert.ok(WebAssembly.validate(after));
    const content = ({ offset, size }: { offset: number; size: number }) =>
      Buffer.from(bytes.subarray(offset, offset + size));
    const others = module.sections.filter(({ id }) => id !== 2 && id !== 5);
    let from = 0;
    for (const each of others) {
      const at = Buffer.from(after).indexOf(content(each), from);
      assert.notEqual(at, -1, `section ${each.id}`);
      from = at + each.size;
    }
    assert.equal(from, after.length);
  });
}

test("the limits of the import are those of the memory", () => {
  const instance = (initial: number, maximum: number) => () =>
    new WebAssembly.Instance(imported(wasm("(module (memory 2 3))")), {
      host: { memory: new WebAssembly.Memory({ initial, maximum }) },
    });
  instance(2, 3)();
  assert.throws(instance(1, 3), WebAssembly.LinkError);
  assert.throws(instance(2, 4), WebAssembly.LinkError);
});

test("a count of imports in more bytes than necessary, and custom sections between all others, are read correctly", () => {
  const custom = customSection("x", 2, 5);
  const type = section(1, 1, 0x60, 0, 0);
  const imports = section(2, 0x81, 0x80, 0x00, 1, 97, 1, 98, 0, 0);
  const bytes = moduleOf(custom, type, custom, imports, custom, section(5, 1, 1, 1, 2), custom);
  assert.deepEqual(WebAssembly.Module.imports(imported(bytes)), [
    { module: "a", name: "b", kind: "function" },
    HOST,
  ]);
  const none = moduleOf(custom, type, custom, section(5, 1, 1, 1, 2), custom);
  assert.deepEqual(WebAssembly.Module.imports(imported(none)), [HOST]);
});

test("a module without a memory stays as it is", () => {
  const bytes = wasm("(module)");
  assert.equal(importMemory(bytes, readModule(bytes)), bytes);
});
