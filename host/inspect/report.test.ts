import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, found, guest, hostCall, inspected, row } from "../../test/support/inspected.ts";
import { customSection, text } from "../../test/support/wasm.ts";
import { MAX_MODULE } from "../module/contract.ts";
import { inspect } from "./report.ts";

const SEAL = hostCall("keystore", "seal");
const OPEN = hostCall("keystore", "open");
const NO_PRODUCERS = "note producers: no section producers";

/** encrypt calls seal by name; open is in the table, and only a call through the table leads to it. */
const THROUGH_TABLE = guest({
  imports: SEAL + OPEN,
  fields: `(type $t (func)) (table 1 funcref) (elem (i32.const 0) $opens)
    (func $opens ${call("keystore", "open")})
    (func $seals ${call("keystore", "seal")})
    (func $indirect (call_indirect (type $t) (i32.const 0)))`,
  bodies: { encrypt: "(call $seals) (call $indirect)" },
  rows: [row("keystore", "seal", "encrypt"), row("keystore", "open", "encrypt")],
});

describe("a module that is as it should be", () => {
  const report = inspected(
    guest({
      imports: SEAL,
      bodies: { encrypt: call("keystore", "seal") },
      rows: [row("keystore", "seal", "encrypt")],
      sections: [
        customSection("producers", 1, ...text("processed-by"), 1, ...text("clang"), ...text("21.1.0")),
      ],
    }),
  );

  test("has a table of which every row is ok", () => {
    assert.equal(report.verdict, "ok");
    assert.deepEqual(found(report), []);
  });

  test("is told with what it requests and uses", () => {
    assert.deepEqual(report.authority, [
      {
        rpc: "encrypt",
        capability: "keystore",
        operation: "seal",
        requested: true,
        used: true,
        why: ["for a test"],
      },
    ]);
  });

  test("is told with its imports, their types, and the RPCs that reach them", () => {
    assert.deepEqual(report.module.imports, [
      { module: "kleidi:keystore", name: "seal", type: "(i64) → (i64)", reachedBy: ["encrypt"] },
    ]);
  });

  test("is told with its sections, where each lies, and what it says it was built with", () => {
    const { sections, producers } = report.module;
    assert.deepEqual(
      sections.map(({ name }) => name),
      ["type", "import", "function", "memory", "export", "code", "kleidi.provider", "producers"],
    );
    for (const [i, { offset, size }] of sections.slice(0, -1).entries()) {
      // id and size of the next one, whose size takes one byte or two
      const head = (sections[i + 1]?.offset ?? 0) - offset - size;
      assert.ok(head === 2 || head === 3, `${head} bytes`);
    }
    assert.deepEqual(producers, [{ field: "processed-by", name: "clang", version: "21.1.0" }]);
  });
});

test("the way to a host call is a shortest one, in indexes of functions", () => {
  const { rpcs } = inspected(
    guest({
      imports: SEAL,
      fields: `(func $c ${call("keystore", "seal")}) (func $b (call $c)) (func $a (call $b) (call $c))`,
      bodies: { encrypt: "(call $a)" },
    }),
  );
  const encrypt = rpcs.find(({ rpc }) => rpc === "encrypt");
  // import 0; c, b, a: 1, 2, 3; status 4, encrypt 5
  assert.deepEqual(encrypt, {
    rpc: "encrypt",
    export: "kleidi_encrypt",
    functions: 5,
    indirect: 0,
    reaches: [
      { capability: "keystore", operation: "seal", throughTable: false, steps: 4, path: [5, 3, 1, 0] },
    ],
  });
});

test("a long way is told by its ends and its length", () => {
  const chain = Array.from({ length: 40 }, (_, i) => `(func $f${i} (call $f${i + 1}))`).join("");
  const { rpcs } = inspected(
    guest({
      imports: SEAL,
      fields: `${chain} (func $f40 ${call("keystore", "seal")})`,
      bodies: { status: "(call $f0)" },
    }),
  );
  const [way] = rpcs.find(({ rpc }) => rpc === "status")?.reaches ?? [];
  assert.equal(way?.steps, 43);
  assert.deepEqual(way?.path, [42, 1, 2, 3, 4, 5, 6, 7, 35, 36, 37, 38, 39, 40, 41, 0]);
});

test("what only a call through the table reaches is a warning that names it", () => {
  const report = inspected(THROUGH_TABLE);
  assert.deepEqual(found(report), [
    "warn indirect: in encrypt, 1 of 6 functions can call through the table, and only so it can reach keystore.open",
    NO_PRODUCERS,
  ]);
  const encrypt = report.rpcs.find(({ rpc }) => rpc === "encrypt");
  assert.deepEqual(
    encrypt?.reaches.map(({ operation, throughTable }) => [operation, throughTable]),
    [
      ["seal", false],
      ["open", true],
    ],
  );
});

test("a call through the table that adds nothing is a note", () => {
  const report = inspected(
    guest({
      fields: "(type $t (func)) (table 1 funcref) (elem (i32.const 0) $f) (func $f)",
      bodies: { status: "(call_indirect (type $t) (i32.const 0))" },
    }),
  );
  assert.deepEqual(found(report), [
    "note indirect: in status, 1 of 2 functions can call through the table, which adds no host call",
    NO_PRODUCERS,
  ]);
});

test("every fault of a module is in the table, not only the first", () => {
  const report = inspected(
    guest({
      imports: `(import "wasi_snapshot_preview1" "fd_write" (func)) (import "env" "abort" (func)) ${SEAL}`,
      fields: `(table 20000 funcref) (table 1 funcref) (start $s) (func $s ${call("keystore", "seal")})`,
      bodies: { decrypt: call("keystore", "seal") },
      memory: "300",
      rows: [row("keystore", "open", "decrypt"), row("clock", "now", "status")],
    }),
  );
  assert.equal(report.verdict, "refuse");
  assert.deepEqual(found(report), [
    'refuse imports: it imports the function "fd_write" from "wasi_snapshot_preview1"; only extism:host/env and kleidi:* can be imported',
    'refuse imports: it imports the function "abort" from "env"; only extism:host/env and kleidi:* can be imported',
    "refuse start: its start function can reach kleidi:keystore seal; a module must not make host calls before an export is called",
    "refuse authority: its manifest requests kleidi:keystore open in decrypt, which kleidi_decrypt cannot reach; remove it there",
    "refuse authority: its manifest requests kleidi:clock now, which does not exist",
    "refuse authority: kleidi_decrypt can reach kleidi:keystore seal, which its manifest does not request in decrypt; add it there",
    "refuse memory: has an initial size of 300 pages, at most 256 are allowed",
    "refuse table: its module has 2 tables, at most 1 is allowed",
    "refuse table: has an initial size of 20000 entries, at most 16384 are allowed",
    NO_PRODUCERS,
  ]);
});

test("requested and used are told apart, both ways", () => {
  const { authority } = inspected(
    guest({
      imports: SEAL,
      bodies: { encrypt: call("keystore", "seal") },
      rows: [row("keystore", "open", "decrypt")],
    }),
  );
  assert.deepEqual(
    authority.map(({ rpc, operation, requested, used }) => ({ rpc, operation, requested, used })),
    [
      { rpc: "encrypt", operation: "seal", requested: false, used: true },
      { rpc: "decrypt", operation: "open", requested: true, used: false },
    ],
  );
});

describe("a module whose reading stops", () => {
  const whole = guest({
    imports: SEAL,
    bodies: { encrypt: call("keystore", "seal") },
    rows: [row("keystore", "seal", "encrypt")],
  });
  const code = inspected(whole).module.sections.find(({ name }) => name === "code");
  const at = (code?.offset ?? 0) + (code?.size ?? 0) - 1;
  const broken = Uint8Array.from(whole);
  // the last end becomes an instruction that there is not
  broken[at] = 0xff;
  const report = inspected(broken);

  test("is told with the byte, and what was before it and behind it", () => {
    assert.deepEqual(report.module.stopped, { at, why: `the opcode 0xff at byte ${at} is unknown` });
    assert.equal(report.module.imports.length, 1);
    assert.ok(report.module.sections.some(({ name }) => name === "kleidi.provider"));
    assert.ok(!("fault" in report.manifest));
  });

  test("is refused for that, and what cannot be told is not called good", () => {
    assert.deepEqual(found(report), [
      `refuse format: reading stopped at byte ${at}: the opcode 0xff at byte ${at} is unknown`,
      "warn start: cannot be told: reading stopped before it",
      "warn authority: cannot be told: reading stopped before it",
      "warn indirect: cannot be told: reading stopped before it",
      NO_PRODUCERS,
    ]);
    assert.deepEqual(report.authority[0]?.used, null);
  });
});

for (const [what, bytes] of Object.entries({
  "no bytes": new Uint8Array(),
  "a script": Buffer.from("#!/bin/sh\n"),
  "a preamble alone": Buffer.from("0061736d01000000", "hex"),
})) {
  test(`${what} is refused, with its size and digest`, () => {
    const report = inspected(bytes);
    assert.equal(report.verdict, "refuse");
    assert.equal(report.file.size, bytes.length);
    assert.match(report.file.sha256, /^[0-9a-f]{64}$/);
  });
}

test("a file over the limit is refused unread", () => {
  const file = { path: "large.wasm", bytes: guest(), size: MAX_MODULE + 1, sha256: "0".repeat(64) };
  const report = inspect(file, {
    known: new Map(),
    limits: { memoryBytes: 16 << 20, tableEntries: 16 },
    signatures: [],
  });
  assert.equal(report.verdict, "refuse");
  assert.equal(report.verdicts[0]?.severity, "refuse");
  assert.deepEqual(report.module.sections, []);
});

test("a manifest that is none is told as it is, and no row is made of it", () => {
  const report = inspected(guest({ manifest: '{"abi":2,"name":"x"}' }));
  assert.ok("fault" in report.manifest);
  assert.equal(report.manifest.text, '{"abi":2,"name":"x"}');
  assert.match(report.manifest.fault, /abi: should be 1/);
  assert.deepEqual(report.authority, []);
});

test("an import that this host does not have, or that no RPC reaches, is told", () => {
  const report = inspected(guest({ imports: SEAL + hostCall("clock", "now") }));
  assert.deepEqual(found(report).slice(0, 2), [
    "note imports: it imports kleidi:keystore seal, which no RPC can reach",
    "warn imports: it imports kleidi:clock now, which this host does not have",
  ]);
});

test("names of functions and unknown custom sections are notes", () => {
  const report = inspected(
    guest({ sections: [customSection("name", 0, 1, 0), customSection("secrets", 1, 2, 3)] }),
  );
  assert.deepEqual(found(report), [
    NO_PRODUCERS,
    "note names: names of functions, 8 bytes: its author's words, which are not looked at",
    "note sections: 1 other custom section: secrets (11 bytes)",
  ]);
});

test("a producers section that is cut short gives what stands before the cut", () => {
  const section = customSection("producers", 2, ...text("language"), 2, ...text("C"), ...text("11"), 9);
  const report = inspected(guest({ sections: [section] }));
  assert.deepEqual(report.module.producers, [{ field: "language", name: "C", version: "11" }]);
});
