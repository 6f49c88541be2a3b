/** The link step: stubs of WASI in the engine, `_initialize` in front of the exports, the contract's exports only. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { readModule } from "../../host/module/wasm/module.ts";
import { reach } from "../../host/module/wasm/reach.ts";
import { link, withManifest } from "../../host/provider/link/link.ts";
import { STUBS } from "../../host/provider/link/wasi.ts";
import { wasm } from "../support/wasm.ts";

const linked = (wat: string, debug = false) => link(wasm(wat), { debug });

type Reply = readonly number[];
/** Blocks of Extism, the answers of `kleidi:crypto random`, and the instance of a linked module. */
function run(bytes: Uint8Array, random: (length: number) => Reply = () => assert.fail("random")) {
  const blocks = new Map<bigint, number[]>();
  let next = 1n;
  const store = (content: number[]): bigint => {
    const address = next++ << 32n;
    blocks.set(address, content);
    return address;
  };
  const block = (address: bigint) => blocks.get(address & ~0xffffffffn) ?? assert.fail(`block ${address}`);
  const at = (address: bigint) => Number(address & 0xffffffffn);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    "extism:host/env": {
      alloc: (length: bigint) => store(Array(Number(length)).fill(0)),
      free: (address: bigint) => blocks.delete(address),
      length: (address: bigint) => BigInt(block(address).length),
      load_u8: (address: bigint) => block(address)[at(address)] ?? 0,
      store_u8: (address: bigint, value: number) => {
        block(address)[at(address)] = value;
      },
    },
    "kleidi:crypto": {
      random: (request: bigint) => {
        const [key, length = 0, ...rest] = block(request);
        assert.deepEqual([key, rest], [8, []]);
        return store([...random(length)]);
      },
    },
  });
  const memory = () => new Uint8Array((exports.memory as unknown as { buffer: ArrayBuffer }).buffer);
  return { call: (name: string) => (exports[name] as () => number)(), exports, memory, blocks };
}

const RPCS = `(func (export "kleidi_encrypt") (result i32) i32.const 0) (func (export "kleidi_decrypt") (result i32) i32.const 0)`;
const WASI = "wasi_snapshot_preview1";
const imported = (name: string, type: string) => `(import "${WASI}" "${name}" (func $wasi ${type}))`;

describe("random_get", () => {
  const RANDOM = linked(`(module ${imported("random_get", "(param i32 i32) (result i32)")}
    (memory (export "memory") 1)
    (func (export "kleidi_status") (result i32) (call $wasi (i32.const 16) (i32.const 300))) ${RPCS})`).bytes;
  const body = (bytes: readonly number[]): Reply => [0x1a, bytes.length, ...bytes];

  test("gets its bytes from kleidi:crypto random, at most 127 at once, and frees the blocks", () => {
    const given: number[] = [];
    const guest = run(RANDOM, (length) => {
      const bytes = [...randomBytes(length)];
      given.push(...bytes);
      return body(bytes);
    });
    assert.equal(guest.call("kleidi_status"), 0);
    assert.deepEqual([...guest.memory().subarray(16, 316)], given);
    assert.deepEqual([...guest.memory().subarray(316, 320)], [0, 0, 0, 0]);
    assert.equal(guest.blocks.size, 0);
  });

  test("skips unknown fields of every wire type, before and behind the body", () => {
    const unknown = [
      0xf8,
      0x7f,
      0x80,
      1,
      0xfa,
      0x7f,
      2,
      1,
      2,
      0xf9,
      0x7f,
      ...Array(8).fill(9),
      0xfd,
      0x7f,
      7,
      7,
      7,
      7,
    ];
    const guest = run(RANDOM, (length) => [...unknown, ...body(Array(length).fill(5)), ...unknown]);
    guest.call("kleidi_status");
    assert.ok(
      guest
        .memory()
        .subarray(16, 316)
        .every((byte) => byte === 5),
    );
  });

  const FAULTS: readonly (readonly [string, (length: number) => Reply])[] = [
    ["a code", () => [8, 6]],
    ["a code beside the bytes", (length) => [8, 5, ...body(Array(length).fill(5))]],
    ["no body", () => []],
    ["a body that is too short", (length) => body(Array(length - 1).fill(5))],
    ["a body that is too long", (length) => body(Array(length + 1).fill(5))],
    ["a body that is cut", (length) => [0x1a, length, 1]],
    ["a group", (length) => [0x0b, ...body(Array(length).fill(5))]],
    ["a number of eleven bytes", (length) => [8, ...Array(10).fill(0x80), 0, ...body(Array(length).fill(5))]],
    ["a field that is longer than the reply", () => [0x12, 0xff, 0xff, 0x7f]],
  ];
  for (const [name, reply] of FAULTS) {
    test(`traps on a reply with ${name}`, () => {
      assert.throws(() => run(RANDOM, reply).call("kleidi_status"), WebAssembly.RuntimeError);
    });
  }
});

describe("other stubs", () => {
  const withCall = (name: string, type: string, code: string) =>
    run(
      linked(`(module ${imported(name, type)} (memory (export "memory") 1)
        (func (export "kleidi_status") (result i32) ${code}) ${RPCS})`).bytes,
    );

  test("clock_time_get: the monotonic clock advances at each question", () => {
    const ask = `(drop (call $wasi (i32.const 1) (i64.const 0) (i32.const 8)))`;
    const guest = withCall(
      "clock_time_get",
      "(param i32 i64 i32) (result i32)",
      `${ask} ${ask} (i32.load (i32.const 8))`,
    );
    assert.equal(guest.call("kleidi_status"), 2000);
  });

  test("clock_time_get: the time of day traps", () => {
    const guest = withCall(
      "clock_time_get",
      "(param i32 i64 i32) (result i32)",
      "(call $wasi (i32.const 0) (i64.const 0) (i32.const 8))",
    );
    assert.throws(() => guest.call("kleidi_status"), WebAssembly.RuntimeError);
  });

  const sleep = (tag: number, clock: number, count = 1) =>
    withCall(
      "poll_oneoff",
      "(param i32 i32 i32 i32) (result i32)",
      `(i64.store (i32.const 8) (i64.const 77)) (i32.store8 (i32.const 16) (i32.const ${tag})) (i32.store (i32.const 24) (i32.const ${clock}))
       (i64.store (i32.const 32) (i64.const 5000)) (i32.store (i32.const 108) (i32.const 9))
       (call $wasi (i32.const 8) (i32.const 100) (i32.const ${count}) (i32.const 200))`,
    );

  test("poll_oneoff: one wait for the monotonic clock returns at once with its event", () => {
    const guest = sleep(0, 1);
    assert.equal(guest.call("kleidi_status"), 0);
    const view = new DataView(guest.memory().buffer);
    assert.deepEqual(
      [view.getBigUint64(100, true), view.getUint32(108, true), view.getUint32(200, true)],
      [77n, 0, 1],
    );
  });

  test("poll_oneoff: other waits fail with nosys, and one for the time of day traps", () => {
    assert.equal(sleep(1, 1).call("kleidi_status"), 52);
    assert.equal(sleep(0, 1, 2).call("kleidi_status"), 52);
    assert.equal(sleep(0, 1, 0).call("kleidi_status"), 52);
    assert.throws(() => sleep(0, 0).call("kleidi_status"), WebAssembly.RuntimeError);
  });

  const write = (file: number) => `
    (i32.store (i32.const 8) (i32.const 100)) (i32.store (i32.const 12) (i32.const 5))
    (i32.store (i32.const 16) (i32.const 100)) (i32.store (i32.const 20) (i32.const 7))
    (i32.add (i32.mul (i32.const 1000) (call $wasi (i32.const ${file}) (i32.const 8) (i32.const 2) (i32.const 24))) (i32.load (i32.const 24)))`;
  for (const [file, result] of [
    [0, 8000],
    [1, 12],
    [2, 12],
    [3, 8000],
    [-1, 8000],
  ] as const) {
    test(`fd_write to file ${file} gives ${result}`, () => {
      assert.equal(
        withCall("fd_write", "(param i32 i32 i32 i32) (result i32)", write(file)).call("kleidi_status"),
        result,
      );
    });
  }

  test("proc_exit traps", () => {
    const guest = withCall("proc_exit", "(param i32)", "(call $wasi (i32.const 0)) (i32.const 0)");
    assert.throws(() => guest.call("kleidi_status"), WebAssembly.RuntimeError);
  });

  test("every stub is a valid function, all of them in one module", () => {
    const names = [...STUBS].map(([name, { type }], i) => {
      const [params, results] = [type.params.join(" "), type.results.join(" ")];
      return `(import "${WASI}" "${name}" (func $f${i} (param ${params}) (result ${results})))`;
    });
    const { bytes, stubs } = linked(
      `(module ${names.join("\n")} (memory (export "memory") 1) (func (export "kleidi_status") (result i32) i32.const 0) ${RPCS})`,
    );
    assert.equal(stubs.length, STUBS.size);
    assert.ok(WebAssembly.validate(bytes));
    for (const { module } of readModule(bytes).imports) assert.notEqual(module, WASI);
  });
});

describe("indexes", () => {
  /** A stub between imports, a table, a global with a reference, a start function and calls of each kind. */
  const WAT = `(module
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    ${imported("sched_yield", "(result i32)")}
    (import "kleidi:keystore" "info" (func $info (param i64) (result i64)))
    (import "kleidi:keystore" "seal" (func $seal (param i64) (result i64)))
    (memory (export "memory") 1) (table (export "table") 4 funcref) (global $g funcref (ref.func $info)) (global $n (mut i32) (i32.const 0))
    (elem (i32.const 0) func $one $wasi) (elem (i32.const 2) funcref (ref.func $two)) (elem declare func $info)
    (start $start)
    (func $start (global.set $n (i32.const 40)))
    (func $one (result i32) i32.const 1) (func $two (result i32) i32.const 2)
    (func (export "other") (result i32) i32.const 9)
    (func (export "kleidi_status") (result i32)
      (drop (call $info (i64.const 0)))
      (i32.add (global.get $n) (i32.add (call_indirect (result i32) (i32.const 2)) (call_indirect (result i32) (i32.const 1)))))
    (func (export "kleidi_encrypt") (result i32) (drop (call $seal (i64.const 0))) (return_call $two))
    (func (export "kleidi_decrypt") (result i32) (drop (ref.func $info)) (call $wasi)))`;

  test("every reference follows its function", () => {
    const { bytes, removedExports } = linked(WAT);
    const asked: string[] = [];
    const host = (name: string) => (address: bigint) => {
      asked.push(name);
      return address;
    };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      "extism:host/env": { alloc: host("alloc") },
      "kleidi:keystore": { info: host("info"), seal: host("seal") },
    });
    const results = ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"].map((name) =>
      (exports[name] as () => number)(),
    );
    assert.deepEqual(results, [42, 2, 0]);
    assert.deepEqual(asked, ["info", "seal"]);
    assert.deepEqual(removedExports, ["table", "other"]);
  });

  test("the reach of each RPC is that of the module without stubs", () => {
    const reached = reach(readModule(linked(WAT).bytes)).exports;
    assert.deepEqual(reached.get("kleidi_encrypt"), [{ module: "kleidi:keystore", name: "seal" }]);
  });
});

describe("_initialize", () => {
  const WAT = `(module (memory (export "memory") 1) (global $runs (mut i32) (i32.const 0))
    (func (export "_initialize") (global.set $runs (i32.add (global.get $runs) (i32.const 1))))
    (func $rpc (export "kleidi_status") (export "kleidi_encrypt") (result i32) (global.get $runs))
    (func (export "kleidi_decrypt") (result i32) (i32.add (i32.const 10) (call $rpc))))`;

  test("runs once in an instance, before the first export, and is no export", () => {
    const { bytes, initializes } = linked(WAT);
    assert.equal(initializes, true);
    const guest = run(bytes);
    assert.deepEqual(Object.keys(guest.exports), [
      "memory",
      "kleidi_status",
      "kleidi_encrypt",
      "kleidi_decrypt",
    ]);
    assert.deepEqual(["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"].map(guest.call), [1, 1, 11]);
    assert.equal(run(bytes).call("kleidi_decrypt"), 11);
  });

  const REFUSED: readonly (readonly [string, string, RegExp])[] = [
    ["parameters", `(func (export "_initialize") (param i32))`, /_initialize is of type \(i32\) → \(\)/],
    [
      "the entry of a program",
      `(func (export "_start"))`,
      /exports _start, so it is a program: build a reactor/,
    ],
    ["the entry of Haskell", `(func (export "hs_init") (param i32 i32))`, /exports hs_init/],
    [
      "an unknown function of WASI",
      imported("fd_dream", ""),
      /"fd_dream" from "wasi_snapshot_preview1", which has no stub/,
    ],
    [
      "another type of a function",
      imported("random_get", "(param i64)"),
      /"random_get" .* of type \(i64\) → \(\), expected \(i32 i32\) → \(i32\)/,
    ],
    [
      "an imported memory",
      `(import "env" "memory" (memory 1))`,
      /is a memory; only functions can be imported/,
    ],
  ];
  for (const [name, part, message] of REFUSED) {
    test(`a module with ${name} is refused`, () => {
      assert.throws(() => linked(`(module ${part})`), message);
    });
  }
});

describe("sections", () => {
  const bytes = (() => {
    const module = wasm(
      `(module (memory (export "memory") 1) (func (export "kleidi_status") (result i32) i32.const 0) ${RPCS})`,
    );
    const custom = (name: string) => [0, name.length + 2, name.length, ...new TextEncoder().encode(name), 0];
    const names = ["name", "producers", "kleidi.provider", ".debug_info", ".debug_info"];
    return Uint8Array.from([...module, ...names.flatMap(custom)]);
  })();
  const names = (debug: boolean) =>
    readModule(withManifest(link(bytes, { debug }).bytes, "{}")).customSections.map(({ name }) => name);

  test("only the producers and the manifest stay, once", () => {
    assert.deepEqual(names(false), ["producers", "kleidi.provider"]);
    assert.deepEqual(link(bytes, { debug: false }).removedSections, ["name", ".debug_info"]);
  });

  test("for debugging the others stay too", () => {
    assert.deepEqual(names(true), ["name", "producers", ".debug_info", ".debug_info", "kleidi.provider"]);
  });

  test("a linked module is linked again to the same bytes", () => {
    const once = link(bytes, { debug: false }).bytes;
    assert.deepEqual(link(withManifest(once, "{}"), { debug: false }).bytes, once);
  });
});
