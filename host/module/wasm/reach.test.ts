import assert from "node:assert/strict";
import { test } from "node:test";
import { wasm } from "../../../test/support/wasm.ts";
import { readModule } from "./module.ts";
import { reach } from "./reach.ts";

const IMPORTS = `(type $v (func))
  (import "m" "a" (func $a)) (import "m" "b" (func $b)) (import "m" "c" (func $c))`;

/** The imports that each exported function reaches; under "" those of the start function. */
function reached(fields: string): Record<string, string> {
  const { start, exports } = reach(readModule(wasm(`(module ${IMPORTS} ${fields})`)));
  const names = (refs: readonly { name: string }[]) => refs.map(({ name }) => name).join(" ");
  return Object.fromEntries([["", names(start)], ...[...exports].map(([name, refs]) => [name, names(refs)])]);
}

const CASES: [what: string, fields: string, expected: Record<string, string>][] = [
  ["nothing", '(func (export "e"))', { "": "", e: "" }],
  ["an import", '(func (export "e") (call $b))', { "": "", e: "b" }],
  [
    "only its own imports",
    '(func (export "e") (call $b)) (func (export "f") (call $a))',
    { "": "", e: "b", f: "a" },
  ],
  [
    "an import through others",
    '(func $x (call $c)) (func $y (call $x)) (func (export "e") (call $y))',
    { "": "", e: "c" },
  ],
  [
    "an import through a tail call",
    '(func $x (return_call $c)) (func (export "e") (return_call $x))',
    { "": "", e: "c" },
  ],
  ["imports in their order", '(func (export "e") (call $c) (call $a) (call $c))', { "": "", e: "a c" }],
  [
    "all imports of a cycle",
    '(func $x (call $y) (call $a)) (func $y (call $x) (call $b)) (func (export "e") (call $x)) (func (export "f") (call $y))',
    { "": "", e: "a b", f: "a b" },
  ],
  [
    "its own imports in addition to those of a cycle that it calls",
    '(func $x (call $x) (call $a)) (func (export "e") (call $x) (call $b)) (func (export "f") (call $x))',
    { "": "", e: "a b", f: "a" },
  ],
  ["an exported import", '(export "e" (func $b))', { "": "", e: "b" }],
  [
    "the imports of the start function separately",
    '(start $s) (func $s (call $a)) (func (export "e") (call $b))',
    { "": "a", e: "b" },
  ],
  ["an imported start function", '(start $c) (func (export "e"))', { "": "c", e: "" }],
  ["an import in unreachable code", '(func (export "e") (return) (call $a))', { "": "", e: "a" }],
  [
    "an active element",
    '(table 1 funcref) (elem (i32.const 0) $a) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", e: "a" },
  ],
  [
    "an element through a tail call",
    '(table 1 funcref) (elem (i32.const 0) $a) (func (export "e") (return_call_indirect (type $v) (i32.const 0)))',
    { "": "", e: "a" },
  ],
  [
    "the imports that an element calls",
    '(table 1 funcref) (elem (i32.const 0) $x) (func $x (call $b)) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", e: "b" },
  ],
  [
    "no element without an indirect call",
    '(table 1 funcref) (elem (i32.const 0) $a) (func (export "e"))',
    { "": "", e: "" },
  ],
  [
    "a passive element",
    '(table 1 funcref) (elem func $a) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", e: "a" },
  ],
  [
    "a declared element",
    '(table 1 funcref) (elem declare func $a) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", e: "a" },
  ],
  [
    "an element's expression",
    '(table 1 funcref) (elem (i32.const 0) funcref (ref.func $a)) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", e: "a" },
  ],
  [
    "a global's function",
    '(table 1 funcref) (global funcref (ref.func $a)) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", e: "a" },
  ],
  [
    "a function that it references",
    '(elem declare func $a) (func (export "e") (drop (ref.func $a)))',
    { "": "", e: "a" },
  ],
  [
    "a function that another function references",
    '(table 1 funcref) (export "x" (func $b)) (func (table.set (i32.const 0) (ref.func $b))) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", x: "b", e: "b" },
  ],
  [
    "no exported function if references cannot be passed in",
    '(table 1 funcref) (export "x" (func $b)) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", x: "b", e: "" },
  ],
  [
    "exported functions through an exported table",
    '(table (export "t") 1 funcref) (export "x" (func $b)) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", x: "b", e: "b" },
  ],
  [
    "no exported function through a table of externref",
    '(table (export "t") 1 externref) (table $t 1 funcref) (export "x" (func $b)) (func (export "e") (call_indirect $t (type $v) (i32.const 0)))',
    { "": "", x: "b", e: "" },
  ],
  [
    "exported functions through an exported global",
    '(table 1 funcref) (global (export "g") (mut funcref) (ref.null func)) (export "x" (func $b)) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", x: "b", e: "b" },
  ],
  [
    "exported functions through a parameter",
    '(table 1 funcref) (func (export "p") (param funcref)) (export "x" (func $b)) (func (export "e") (call_indirect (type $v) (i32.const 0)))',
    { "": "", p: "", x: "b", e: "b" },
  ],
];

for (const [what, fields, expected] of CASES) {
  test(`reach finds ${what}`, () => assert.deepEqual(reached(fields), expected));
}

test("reach finds exported functions through an import that returns a reference", () => {
  const bytes = wasm(`(module ${IMPORTS} (import "m" "d" (func (result funcref))) (table 1 funcref)
    (export "x" (func $b)) (func (export "e") (call_indirect (type $v) (i32.const 0))))`);
  assert.deepEqual(reach(readModule(bytes)).exports.get("e"), [{ module: "m", name: "b" }]);
});

test("reach lists a function that is imported twice once", () => {
  const bytes = wasm(`(module (import "m" "a" (func $a)) (import "n" "a" (func $b)) (import "m" "a" (func $c))
    (func (export "e") (call $c) (call $b) (call $a)))`);
  assert.deepEqual(reach(readModule(bytes)).exports.get("e"), [
    { module: "m", name: "a" },
    { module: "n", name: "a" },
  ]);
});

test("reach finds the last of 256 imports", () => {
  const imports = Array.from({ length: 256 }, (_, i) => `(import "m" "f${i}" (func))`).join("");
  const bytes = wasm(`(module ${imports} (func (export "e") (call 31) (call 32) (call 255)))`);
  assert.deepEqual(
    reach(readModule(bytes))
      .exports.get("e")
      ?.map(({ name }) => name),
    ["f31", "f32", "f255"],
  );
});

test("reach follows a chain of 50,000 functions", () => {
  const chain = Array.from({ length: 50_000 }, (_, i) => `(func (call ${i + 2}))`).join("");
  const bytes = wasm(`(module (import "m" "a" (func)) (export "e" (func 1)) ${chain} (func (call 0)))`);
  assert.deepEqual(reach(readModule(bytes)).exports.get("e"), [{ module: "m", name: "a" }]);
});
