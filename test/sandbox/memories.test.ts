/** A guest cannot tell a memory that an earlier instance had from a new one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { importMemory } from "../../host/module/wasm/import-memory.ts";
import { readModule } from "../../host/module/wasm/module.ts";
import { createInstance, prepareEngine } from "../../host/sandbox/guest/instance.mjs";
import { Memories } from "../../host/sandbox/guest/memories.mjs";
import { wasm } from "../support/wasm.ts";

const OUTPUT = 64;
/** Leaves traces in each way that a guest has, and tells what it sees first: the size of its memory, the sum of its bytes, its segments. */
const GUEST = (initial: number, maximum: number) => `(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") ${initial} ${maximum})
  (table $table 4 funcref)
  (elem (i32.const 1) $begin)
  (data (i32.const 1024) "active")
  (data $passive "passive")
  (global $block (mut i64) (i64.const 0))
  (global $length (mut i64) (i64.const 0))
  (start $begin)
  (func $begin (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1))))
  (func $tell (param $value i32) (local $i i32)
    (loop $next
      (call $store (i64.add (global.get $block) (global.get $length)) (i32.and (local.get $value) (i32.const 255)))
      (global.set $length (i64.add (global.get $length) (i64.const 1)))
      (local.set $value (i32.shr_u (local.get $value) (i32.const 8)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 4)))))
  (func $sum (result i32) (local $at i32) (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
    (local.get $sum))
  (func $look
    (global.set $block (call $alloc (i64.const 24)))
    (call $tell (memory.size))
    (call $tell (call $sum))
    (call $tell (ref.is_null (table.get $table (i32.const 3))))
    (memory.init $passive (i32.const 4096) (i32.const 0) (i32.const 7))
    (call $tell (i32.load (i32.const 4096)))
    (data.drop $passive)
    (call $tell (memory.grow (i32.const 0)))
    (call $tell (i32.wrap_i64 (global.get $length)))
    (call $output (global.get $block) (global.get $length)))
  (func $leave
    (memory.fill (i32.const 0) (i32.const 0x5a) (i32.mul (memory.size) (i32.const 65536)))
    (table.set $table (i32.const 3) (table.get $table (i32.const 1))))
  (func (export "fill") (result i32) (call $look) (call $leave) (i32.const 0))
  (func (export "grow") (result i32) (call $look) (drop (memory.grow (i32.const 1))) (call $leave) (i32.const 0))
  (func (export "trap") (result i32) (call $look) (call $leave) (unreachable))
  (func (export "silent") (result i32) (call $leave) (i32.const 0)))`;

interface Seen {
  readonly memories: ReadonlySet<WebAssembly.Memory>;
  /** Each different content of a memory before a call, in hex. */
  readonly contents: ReadonlySet<string>;
  /** Each different output, in hex. */
  readonly outputs: ReadonlySet<string>;
}

/** Makes each call in an instance of its own, two instances ahead of the calls. */
async function run(bytes: Uint8Array, calls: readonly string[]): Promise<Seen> {
  const read = readModule(bytes);
  const module = new WebAssembly.Module(new Uint8Array(importMemory(bytes, read)));
  const { min, max } = read.memories[0] ?? assert.fail("the module has no memory");
  const memories = new Memories({ initial: min, maximum: max ?? min });
  prepareEngine(module, memories);
  const seen = {
    memories: new Set<WebAssembly.Memory>(),
    contents: new Set<string>(),
    outputs: new Set<string>(),
  };
  const create = () => createInstance(module, memories, [], OUTPUT);
  const ahead = [await create(), await create()];
  for (const name of calls) {
    const instance = ahead.shift() ?? assert.fail("no instance");
    seen.memories.add(instance.memory);
    seen.contents.add(Buffer.from(instance.memory.buffer).toString("base64"));
    const noHostCall = () => assert.fail("a host call");
    const output = await instance.call(name, new Uint8Array(), noHostCall).catch(() => undefined);
    if (output !== undefined) seen.outputs.add(Buffer.from(output).toString("hex"));
    instance.end();
    instance.end();
    ahead.push(await create());
  }
  return seen;
}

function times(count: number, ...names: string[]): string[] {
  return Array.from({ length: count }, () => names).flat();
}

const small = wasm(GUEST(2, 4));

test("an instance over a used memory sees what an instance over a new one sees", async () => {
  const seen = await run(small, times(50, "fill"));
  assert.equal(seen.memories.size, 2);
  assert.equal(seen.contents.size, 1);
  assert.equal(seen.outputs.size, 1);
});

test("the first byte and the last one, the segments and the start function are those of a new instance", async () => {
  const { outputs, contents } = await run(small, times(2, "fill"));
  const [content = ""] = contents;
  const expected = Buffer.alloc(2 * 65_536);
  expected.write("active", 1024);
  expected.writeUInt32LE(1, 2048);
  assert.ok(Buffer.from(content, "base64").equals(expected));
  const [output = ""] = outputs;
  const told = Buffer.from(output, "hex");
  // pages, no function in the table, the passive segment, the size before growth by nothing
  assert.deepEqual(
    [0, 8, 12, 16].map((at) => told.readUInt32LE(at)),
    [2, 1, 0x73736170, 2],
  );
});

for (const [what, name] of [
  ["grew", "grow"],
  ["trapped", "trap"],
  ["returned nothing", "silent"],
] as const) {
  test(`the memory of an instance that ${what} is not used again`, async () => {
    const seen = await run(small, times(20, name));
    assert.equal(seen.memories.size, 20);
    assert.equal(seen.contents.size, 1);
  });
}

test("calls of all kinds leave nothing for each other", async () => {
  const seen = await run(small, times(10, "fill", "grow", "fill", "trap", "silent", "fill"));
  assert.ok(seen.memories.size < 60);
  assert.deepEqual([seen.contents.size, seen.outputs.size], [1, 1]);
});

test("a memory of more than 1 MiB is not used again, and one of 1 MiB is", async () => {
  assert.equal((await run(wasm(GUEST(17, 17)), times(5, "fill"))).memories.size, 5);
  assert.equal((await run(wasm(GUEST(16, 16)), times(5, "fill"))).memories.size, 2);
});

test("at most 64 memories of at most 4 MiB wait for an instance", () => {
  for (const [initial, most] of [
    [0, 64],
    [1, 64],
    [3, 21],
    [16, 4],
  ] as const) {
    const memories = new Memories({ initial, maximum: 16 });
    const taken = Array.from({ length: 70 }, () => memories.take());
    const kept = taken.filter((memory) => memories.giveBack(memory));
    assert.equal(kept.length, most, `${initial} pages`);
  }
});
