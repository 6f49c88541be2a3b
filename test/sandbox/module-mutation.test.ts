/**
 * Damaged modules. The reader and the engine must agree on each module that both accept: the same imports, exports and custom sections, and
 * it is still a module after the limits are written. All others must fail quickly with an Error.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { type Module, readModule } from "../../host/module/wasm/module.ts";
import { reach } from "../../host/module/wasm/reach.ts";
import { clampLimits } from "../../host/module/wasm/rewrite.ts";
import { buildAll } from "../../providers/build.ts";
import { buildGuests } from "../guests/build.ts";
import { assertEngineAgrees } from "../support/engine.ts";
import { wasm } from "../support/wasm.ts";

/** Small, so that damage hits structure, with every kind of section. */
const DENSE = wasm(`(module
  (type $v (func)) (type $h (func (param i64) (result i64)))
  (import "kleidi:log" "write" (func $w (type $h)))
  (import "m" "a" (func $a (type $v)))
  (table 2 5 funcref) (table $x 1 externref)
  (memory (export "memory") 1 2)
  (global $g (mut i32) (i32.const 5)) (global $f funcref (ref.func $a))
  (export "kleidi_status" (func $one)) (export "a" (func $a)) (export "g" (global $g))
  (start $a)
  (elem (i32.const 0) func $a $one) (elem $p func $two) (elem funcref (ref.func $two) (ref.null func))
  (func $one (param i32) (result i32) (local i64 i32)
    (block (loop (br_if 1 (local.get 0)) (br_table 0 1 0 (local.get 2))))
    (if (result i32) (local.get 0) (then (i32.load offset=300 (local.get 0))) (else (i32.const -70000))))
  (func $two (call_indirect (type $v) (i32.const 1)) (drop (call $w (i64.const 123456789012))))
  (func (return_call $a))
  (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop 0)
    (table.init $p (i32.const 0) (i32.const 0) (i32.const 1)) (drop (table.size $x)))
  (data "abc"))`);

const modules = [...(await buildAll()).map(({ path }) => path), ...Object.values(await buildGuests())].map(
  (path) => new Uint8Array(readFileSync(path)),
);
const small = modules.filter(({ length }) => length < 1000);
const large = modules.filter(({ length }) => length >= 1000);

interface Tally {
  read: number;
  valid: number;
}

function examine(bytes: Uint8Array, tally: Tally): void {
  let module: Module;
  try {
    module = readModule(bytes);
  } catch (error) {
    assert.equal((error as Error).constructor, Error, String(error));
    return;
  }
  tally.read += 1;
  reach(module);
  const caps = { memoryPages: 65536, tableEntries: 10_000_000 };
  let clamped: Uint8Array | undefined;
  try {
    clamped = clampLimits(bytes, module, caps);
  } catch (error) {
    assert.match(String(error), /^Error: the (memory|table) at byte \d+ begins with /);
  }
  if (!WebAssembly.validate(bytes)) return;
  tally.valid += 1;
  assertEngineAgrees(bytes, module);
  assert.ok(clamped);
  assert.ok(WebAssembly.validate(clamped));
  assertEngineAgrees(clamped, module);
}

/** The position as a fraction of the length. */
const at = fc.noBias(fc.nat(0xffff)).map((n) => n / 0x10000);
/** Bytes that have a meaning more often than others. */
const byte = fc.oneof(fc.constantFrom(0, 1, 2, 0x0b, 0x40, 0x60, 0x7f, 0x70, 0x80, 0xff), fc.nat(255));
const damage = fc.oneof(
  fc.record({ kind: fc.constant("set"), at, byte, length: fc.constant(1) }),
  fc.record({ kind: fc.constant("flip"), at, byte: fc.nat(7), length: fc.constant(1) }),
  fc.record({ kind: fc.constant("cut"), at, byte, length: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("insert"), at, byte, length: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("copy"), at, byte, length: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant("end"), at, byte, length: fc.constant(1) }),
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function apply(bytes: Uint8Array, { kind, at, byte, length }: Damage): Uint8Array {
  const place = Math.floor(at * bytes.length);
  const before = bytes.subarray(0, place);
  const behind = bytes.subarray(place);
  if (kind === "cut") return Buffer.concat([before, behind.subarray(length)]);
  if (kind === "insert") return Buffer.concat([before, Buffer.alloc(length, byte), behind]);
  if (kind === "copy") return Buffer.concat([before, behind.subarray(0, length), behind]);
  if (kind === "end") return before;
  const changed = Uint8Array.from(bytes);
  changed[place] = kind === "set" ? byte : (changed[place] ?? 0) ^ (1 << byte);
  return changed;
}

function property(pool: readonly Uint8Array[], numRuns: number): Tally {
  const tally = { read: 0, valid: 0 };
  fc.assert(
    fc.property(fc.constantFrom(...pool), fc.array(damage, { minLength: 1, maxLength: 3 }), (bytes, all) =>
      examine(all.reduce(apply, bytes), tally),
    ),
    { numRuns },
  );
  return tally;
}

/** The bounds of meanings: sections, kinds, types, opcodes, the ends of numbers. */
const VALUES = [
  ...range(0x00, 0x15),
  ...range(0x1a, 0x28),
  ...range(0x3f, 0x45),
  ...range(0x5e, 0x61),
  ...range(0x69, 0x71),
  ...range(0x7b, 0x82),
  ...range(0xd0, 0xd3),
  ...range(0xfb, 0xff),
];

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

test("the engine and the reader agree on a module with any single byte set to a meaningful value", () => {
  const tally = { read: 0, valid: 0 };
  for (let place = 8; place < DENSE.length; place++) {
    const changed = Uint8Array.from(DENSE);
    for (const value of VALUES) {
      changed[place] = value;
      examine(changed, tally);
    }
  }
  assert.ok(tally.valid > 2000, `${tally.valid} of ${tally.read} were valid`);
});

test("the engine and the reader agree on a damaged small module", () => {
  const { read, valid } = property([DENSE, ...small], 20_000);
  assert.ok(valid > 1000, `${valid} of ${read} were valid`);
});

test("the engine and the reader agree on a damaged large module", () => {
  const { read, valid } = property(large, 6000);
  assert.ok(valid > 100, `${valid} of ${read} were valid`);
});
