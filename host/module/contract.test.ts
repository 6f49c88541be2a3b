import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSentences } from "../../test/support/thrown.ts";
import { wasm } from "../../test/support/wasm.ts";
import { contractFaults, printable } from "./contract.ts";
import { readModule } from "./wasm/module.ts";

test("contractFaults returns all violations of the contract, in order", (t) => {
  const module = readModule(
    wasm(`(module
      (import "env" "abort" (func))
      (import "extism:host/env" "alloc" (func (param i32)))
      (table 1 funcref) (table 1 funcref)
      (func (export "kleidi_status") (result i64) (i64.const 0))
      (func (export "kleidi_decrypt") (result i32) (i32.const 0)))`),
  );
  const faults = contractFaults(module);
  assert.deepEqual(
    faults.map(({ part }) => part),
    ["imports", "imports", "exports", "exports", "exports", "tables"],
  );
  assertSentences(t, Object.fromEntries(faults.map(({ part, message }, i) => [`${i + 1} ${part}`, message])));
});

test("printable keeps the first 64 characters and replaces control characters", () => {
  assert.equal(printable("x".repeat(64)), "x".repeat(64));
  assert.equal(printable(`${"x".repeat(64)}y`), "x".repeat(64));
  assert.equal(printable("a\u001b[2J\u009b\u202e\u2028b"), "a\ufffd[2J\ufffd\ufffd\ufffdb");
});
