import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, found, guest, hostCall, inspected, row } from "../../test/support/inspected.ts";
import { assertLines } from "../../test/support/thrown.ts";
import { customSection, text } from "../../test/support/wasm.ts";
import { MAX_MODULE } from "../module/contract.ts";
import { inspect, type Report } from "./report.ts";

const SEAL = hostCall("keystore", "seal");
const OPEN = hostCall("keystore", "open");

/** The severity and the check of each row that is not ok. */
function kinds(report: Report): string[] {
  return found(report).map((row) => row.slice(0, row.indexOf(":")));
}

/** encrypt calls seal by name; open is in the table, and only a call through the table reaches it. */
const THROUGH_TABLE = guest({
  imports: SEAL + OPEN,
  fields: `(type $t (func)) (table 1 funcref) (elem (i32.const 0) $opens)
    (func $opens ${call("keystore", "open")})
    (func $seals ${call("keystore", "seal")})
    (func $indirect (call_indirect (type $t) (i32.const 0)))`,
  bodies: { encrypt: "(call $seals) (call $indirect)" },
  rows: [row("keystore", "seal", "encrypt"), row("keystore", "open", "encrypt")],
});

describe("a module without problems", () => {
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

  test("has a verdict table with only ok rows", () => {
    assert.equal(report.verdict, "ok");
    assert.deepEqual(found(report), []);
  });

  test("has its requested and used operations in the report", () => {
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

  test("has its imports, their types, and the RPCs that reach them in the report", () => {
    assert.deepEqual(report.module.imports, [
      { module: "kleidi:keystore", name: "seal", type: "(i64) → (i64)", reachedBy: ["encrypt"] },
    ]);
  });

  test("has its sections, their offsets, and its producers in the report", () => {
    const { sections, producers } = report.module;
    assert.deepEqual(
      sections.map(({ name }) => name),
      ["type", "import", "function", "memory", "export", "code", "kleidi.provider", "producers"],
    );
    for (const [i, { offset, size }] of sections.slice(0, -1).entries()) {
      // The id and size of the next section; its size takes one byte or two.
      const head = (sections[i + 1]?.offset ?? 0) - offset - size;
      assert.ok(head === 2 || head === 3, `${head} bytes`);
    }
    assert.deepEqual(producers, [{ field: "processed-by", name: "clang", version: "21.1.0" }]);
  });
});

test("the path to a host call is a shortest one, as indexes of functions", () => {
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

test("a long path is shown by its ends and its length", () => {
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

test("a host call that only calls through the table reach is a warning that names it", (t) => {
  const report = inspected(THROUGH_TABLE);
  assert.deepEqual(kinds(report), ["warn indirect", "note producers"]);
  assertLines(t, found(report));
  const encrypt = report.rpcs.find(({ rpc }) => rpc === "encrypt");
  assert.deepEqual(
    encrypt?.reaches.map(({ operation, throughTable }) => [operation, throughTable]),
    [
      ["seal", false],
      ["open", true],
    ],
  );
});

test("a call through the table that adds no host call is a note", (t) => {
  const report = inspected(
    guest({
      fields: "(type $t (func)) (table 1 funcref) (elem (i32.const 0) $f) (func $f)",
      bodies: { status: "(call_indirect (type $t) (i32.const 0))" },
    }),
  );
  assert.deepEqual(kinds(report), ["note indirect", "note producers"]);
  assertLines(t, found(report));
});

test("every fault of a module is in the table, not only the first", (t) => {
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
  assert.deepEqual(kinds(report), [
    "refuse imports",
    "refuse imports",
    "refuse start",
    "refuse authority",
    "refuse authority",
    "refuse authority",
    "refuse memory",
    "refuse table",
    "refuse table",
    "note producers",
  ]);
  assertLines(t, found(report));
});

test("exports that run in each instance are rows of their own, with what they reach, and not unused exports", () => {
  const report = inspected(
    guest({
      imports: SEAL,
      fields: `(func (export "_initialize")) (func (export "hs_init") ${call("keystore", "seal")})`,
      bodies: { encrypt: call("keystore", "seal") },
      rows: [row("keystore", "seal", "encrypt")],
    }),
  );
  assert.deepEqual(kinds(report), ["refuse start", "note start", "note start", "note producers"]);
  const starts = report.verdicts.filter(({ check }) => check === "start").map(({ actual }) => actual);
  assert.match(
    starts[0] ?? "",
    /export hs_init, which runs in each instance, can reach kleidi:keystore seal/,
  );
  assert.match(starts[1] ?? "", /the export _initialize runs in each instance, .* it reaches no host call/);
  assert.match(
    starts[2] ?? "",
    /the export hs_init runs in each instance, .* it reaches kleidi:keystore seal/,
  );
});

test("an operation that is only requested is distinguished from one that is only used", () => {
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

describe("a malformed module", () => {
  const valid = guest({
    imports: SEAL,
    bodies: { encrypt: call("keystore", "seal") },
    rows: [row("keystore", "seal", "encrypt")],
  });
  const code = inspected(valid).module.sections.find(({ name }) => name === "code");
  const at = (code?.offset ?? 0) + (code?.size ?? 0) - 1;
  const broken = Uint8Array.from(valid);
  // the last end becomes an unknown opcode
  broken[at] = 0xff;
  const report = inspected(broken);

  test("has the byte, and the parts before and after it in the report", () => {
    assert.deepEqual(report.module.stopped, { at, why: `the opcode 0xff at byte ${at} is unknown` });
    assert.equal(report.module.imports.length, 1);
    assert.ok(report.module.sections.some(({ name }) => name === "kleidi.provider"));
    assert.ok(!("fault" in report.manifest));
  });

  test("is refused, and unknown checks are warnings", (t) => {
    assert.deepEqual(kinds(report), [
      "refuse format",
      "warn start",
      "warn authority",
      "warn indirect",
      "note producers",
    ]);
    assert.ok(found(report)[0]?.includes(`at byte ${at}`));
    assertLines(t, found(report));
    assert.deepEqual(report.authority[0]?.used, null);
  });
});

for (const [what, bytes] of Object.entries({
  "no bytes": new Uint8Array(),
  "a script": Buffer.from("#!/bin/sh\n"),
  "a preamble alone": Buffer.from("0061736d01000000", "hex"),
})) {
  test(`${what} is refused, with its size and digest in the report`, () => {
    const report = inspected(bytes);
    assert.equal(report.verdict, "refuse");
    assert.equal(report.file.size, bytes.length);
    assert.match(report.file.sha256, /^[0-9a-f]{64}$/);
  });
}

test("a file over the size limit is refused without being read", () => {
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

test("an invalid manifest is shown as text and adds no authority", () => {
  const report = inspected(guest({ manifest: '{"abi":2,"name":"x"}' }));
  assert.ok("fault" in report.manifest);
  assert.equal(report.manifest.text, '{"abi":2,"name":"x"}');
  assert.match(report.manifest.fault, /abi: should be 1/);
  assert.deepEqual(report.authority, []);
});

test("an import that this host does not provide, or that no RPC reaches, is in the table", (t) => {
  const report = inspected(guest({ imports: SEAL + hostCall("clock", "now") }));
  assert.deepEqual(kinds(report), ["note imports", "warn imports", "note producers"]);
  assertLines(t, found(report));
});

test("function names and unknown custom sections are notes", (t) => {
  const report = inspected(
    guest({ sections: [customSection("name", 0, 1, 0), customSection("secrets", 1, 2, 3)] }),
  );
  assert.deepEqual(kinds(report), ["note producers", "note names", "note sections"]);
  assertLines(t, found(report));
});

test("a truncated producers section gives the entries before the end", () => {
  const section = customSection("producers", 2, ...text("language"), 2, ...text("C"), ...text("11"), 9);
  const report = inspected(guest({ sections: [section] }));
  assert.deepEqual(report.module.producers, [{ field: "language", name: "C", version: "11" }]);
});
