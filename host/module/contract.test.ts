import assert from "node:assert/strict";
import { test } from "node:test";
import { wasm } from "../../test/support/wasm.ts";
import { contractFaults, printable } from "./contract.ts";
import { readModule } from "./wasm/module.ts";

test("contractFaults names everything that is not as the contract has it, not only the first", () => {
  const module = readModule(
    wasm(`(module
      (import "env" "abort" (func))
      (import "extism:host/env" "alloc" (func (param i32)))
      (table 1 funcref) (table 1 funcref)
      (func (export "kleidi_status") (result i64) (i64.const 0))
      (func (export "kleidi_decrypt") (result i32) (i32.const 0)))`),
  );
  assert.deepEqual(contractFaults(module), [
    {
      part: "imports",
      what: 'it imports the function "abort" from "env"; only extism:host/env and kleidi:* can be imported',
    },
    {
      part: "imports",
      what: 'it imports the function "alloc" from "extism:host/env" of type (i32) → (), it should be (i64) → (i64)',
    },
    {
      part: "exports",
      what: "it exports the function kleidi_status of type () → (i64), it should be () → (i32)",
    },
    { part: "exports", what: "its module does not export the function kleidi_encrypt" },
    { part: "exports", what: 'its module does not export its memory as "memory"' },
    { part: "tables", what: "its module has 2 tables, at most 1 is allowed" },
  ]);
});

test("printable has the first 64 characters, and none that a terminal acts on", () => {
  assert.equal(printable("x".repeat(64)), "x".repeat(64));
  assert.equal(printable(`${"x".repeat(64)}y`), "x".repeat(64));
  assert.equal(printable("a\u001b[2J\u009b\u202e\u2028b"), "a\ufffd[2J\ufffd\ufffd\ufffdb");
});
