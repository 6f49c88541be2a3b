/** The reader of modules compared with Binaryen and the engine: on every module of the tree, and on random ones. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { type Module, readModule } from "../../host/module/wasm/module.ts";
import { reach } from "../../host/module/wasm/reach.ts";
import { clampLimits } from "../../host/module/wasm/rewrite.ts";
import { buildAll } from "../../providers/build.ts";
import { buildGuests } from "../guests/build.ts";
import { type Seen, seenByBinaryen } from "../support/binaryen.ts";
import { assertEngineAgrees } from "../support/engine.ts";
import { wasm } from "../support/wasm.ts";

const CAPS = { memoryPages: 70, tableEntries: 5 };

/** The same, as Binaryen writes it. */
function seenByUs(module: Module): Seen {
  const { start, exports } = reach(module);
  const range = ({ min, max }: { min: number; max?: number }) => ({ min, ...(max !== undefined && { max }) });
  const names = (refs: readonly { module: string; name: string }[]) =>
    refs.map(({ module, name }) => `${module}.${name}`).sort();
  return {
    imports: module.imports.map(({ module, name, type }) => ({ module, name, type })),
    exports: module.exports.map(({ name, kind, type }) => ({ name, kind, ...(type && { type }) })),
    memories: module.memories.map(range),
    tables: module.tables.map(range),
    start: names(start),
    reach: Object.fromEntries([...exports].map(([name, refs]) => [name, names(refs)])),
  };
}

function check(bytes: Uint8Array): void {
  const module = readModule(bytes);
  assert.deepEqual(seenByUs(module), seenByBinaryen(bytes));
  assertEngineAgrees(bytes, module);
  const clamped = clampLimits(bytes, module, CAPS);
  assert.ok(WebAssembly.validate(clamped));
  const after = readModule(clamped);
  assertEngineAgrees(clamped, after);
  for (const { max } of after.memories) assert.ok(max !== undefined && max <= CAPS.memoryPages);
  for (const { max } of after.tables) assert.ok(max !== undefined && max <= CAPS.tableEntries);
  const { memories, tables, ...rest } = seenByUs(module);
  assert.deepEqual({ ...seenByUs(after), memories, tables }, { ...rest, memories, tables });
  assert.deepEqual(after.customSections, module.customSections);
}

for (const { name, path } of await buildAll()) {
  test(`Binaryen, the engine and the reader agree on the provider ${name}`, () =>
    check(new Uint8Array(readFileSync(path))));
}

for (const [name, path] of Object.entries(await buildGuests())) {
  test(`Binaryen, the engine and the reader agree on the guest ${name}`, () =>
    check(new Uint8Array(readFileSync(path))));
}

// ---- random modules: functions 0 and up without parameters, of which the first are imported ----

const index = fc.nat(1000);
const instruction = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("call"), index) },
  fc.tuple(fc.constantFrom("typed", "indirect", "ref", "put", "block", "if"), index),
);
const limits = fc.tuple(fc.nat(5), fc.option(fc.nat(3)));
const SHAPE = fc.record({
  imports: fc.array(fc.tuple(fc.constantFrom("m", "n", "kleidi:log"), fc.nat(4)), { maxLength: 6 }),
  functions: fc.array(
    fc.record({
      body: fc.array(instruction, { maxLength: 5 }),
      tail: fc.option(fc.tuple(fc.constantFrom("call", "indirect"), index), { freq: 3 }),
    }),
    { minLength: 1, maxLength: 14 },
  ),
  exports: fc.array(index, { maxLength: 6 }),
  start: fc.option(index),
  memory: limits,
  tables: fc.array(limits, { maxLength: 3 }),
  exportTable: fc.boolean(),
  elements: fc.array(
    fc.tuple(fc.constantFrom("active", "passive", "expressions"), fc.array(index, { maxLength: 3 })),
    {
      maxLength: 3,
    },
  ),
  global: fc.option(index),
});
type Shape = typeof SHAPE extends fc.Arbitrary<infer T> ? T : never;

/** Two types: none to none, and the host call's. Only imports of the second type are called with a value. */
function toWat(shape: Shape): string {
  const { imports, functions, tables } = shape;
  const count = imports.length + functions.length;
  const pick = (n: number) => n % count;
  const named = new Set<number>();
  const name = (n: number) => {
    named.add(pick(n));
    return `(ref.func ${pick(n)})`;
  };
  const write = ([kind, n]: readonly [string, number]): string => {
    const table = n % Math.max(1, tables.length);
    if (kind === "call") return `(call ${pick(n)})`;
    if (kind === "typed") return "(drop (call $typed (i64.const 7)))";
    if (kind === "block") return `(block (br 0 ) ) (loop (call ${pick(n)}))`;
    if (kind === "if") return `(if (i32.const ${n}) (then (call ${pick(n)})) (else (nop)))`;
    if (kind === "ref" || tables.length === 0) return `(drop ${name(n)})`;
    if (kind === "put") return `(table.set ${table} (i32.const 0) ${name(n)})`;
    return `(call_indirect ${table} (type $none) (i32.const ${n}))`;
  };
  const writeTail = (tail: Shape["functions"][number]["tail"]): string => {
    if (tail === null) return "";
    const [kind, n] = tail;
    if (kind === "call") return `(return_call ${pick(n)})`;
    if (tables.length === 0) return "";
    return `(return_call_indirect ${n % tables.length} (type $none) (i32.const ${n}))`;
  };
  const range = ([min, more]: readonly [number, number | null]) =>
    more === null ? `${min}` : `${min} ${min + more}`;
  const bodies = functions.map(({ body, tail }) => `(func ${body.map(write).join(" ")} ${writeTail(tail)})`);
  const elements = shape.elements.map(([kind, entries]) => {
    const list = entries.map(pick).join(" ");
    if (kind === "active" && tables.length > 0) return `(elem (table 0) (i32.const 0) func ${list})`;
    if (kind === "expressions")
      return `(elem funcref ${entries.map((n) => `(ref.func ${pick(n)})`).join(" ")})`;
    return `(elem func ${list})`;
  });
  const exports = shape.exports.map((n, i) => `(export "e${i}" (func ${pick(n)}))`);
  const global = shape.global === null ? "" : `(global funcref (ref.func ${pick(shape.global)}))`;
  return `(module (type $none (func)) (type $call (func (param i64) (result i64)))
    ${imports.map(([module, n]) => `(import "${module}" "f${n}" (func))`).join(" ")}
    ${tables.map((each) => `(table ${range(each)} funcref)`).join(" ")}
    (memory (export "memory") ${range(shape.memory)})
    ${global} ${exports.join(" ")} ${shape.exportTable && tables.length > 0 ? '(export "t" (table 0))' : ""}
    ${shape.start === null ? "" : `(start ${pick(shape.start)})`}
    ${elements.join(" ")} ${bodies.join("\n")}
    (func $typed (param i64) (result i64) (local.get 0))
    ${named.size > 0 ? `(elem declare func ${[...named].join(" ")})` : ""})`;
}

test("Binaryen, the engine and the reader agree on random modules", () => {
  let reached = 0;
  let indirect = 0;
  fc.assert(
    fc.property(SHAPE, (shape) => {
      const bytes = wasm(toWat(shape));
      check(bytes);
      const module = readModule(bytes);
      reached += [...reach(module).exports.values()].flat().length;
      indirect += module.calls.indirect.some((flag) => flag === 1) ? 1 : 0;
    }),
    { numRuns: 1000 },
  );
  // not all of the modules may be trivial
  assert.ok(reached > 500, `${reached} imports reached`);
  assert.ok(indirect > 200, `${indirect} modules call through a table`);
});
