import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { call, type Guest, guest, hostCall, inspected, row } from "../../test/support/inspected.ts";
import { assertLines } from "../../test/support/thrown.ts";
import { type Change, type ComparableReport, type Diff, diff, isComparable } from "./diff.ts";
import { diffTextOf } from "./diff-text.ts";

function comparable(options: Guest): ComparableReport {
  const report = inspected(guest(options));
  assert.ok(isComparable(report));
  return report;
}

function compared(before: Guest, after: Guest): Diff {
  return diff(comparable(before), comparable(after));
}

function lines({ changes }: Diff): string[] {
  return changes.map((each) => `${each.direction} ${each.change} ${each.of}: ${each.before} → ${each.after}`);
}

const RPCS = ["status", "encrypt", "decrypt"] as const;
const OPERATIONS = ["info", "seal", "open", "s2k"];

/** A guest that requests and reaches these operations of the keystore, each in one RPC. */
function using(uses: readonly (readonly [rpc: string, operation: string])[], more: Guest = {}): Guest {
  const bodies = Object.fromEntries(
    RPCS.map((rpc) => [
      rpc,
      uses
        .filter(([in_]) => in_ === rpc)
        .map(([, operation]) => call("keystore", operation))
        .join(""),
    ]),
  );
  return {
    imports: OPERATIONS.map((operation) => hostCall("keystore", operation)).join(""),
    bodies,
    rows: uses.map(([rpc, operation]) => row("keystore", operation, rpc)),
    ...more,
  };
}

test("a module compared with itself is the same", () => {
  const found = compared(using([["encrypt", "seal"]]), using([["encrypt", "seal"]]));
  assert.equal(found.verdict, "same");
  assert.deepEqual(found.changes, []);
});

test("an added operation is wider, a removed one is narrower", (t) => {
  const before = using([["encrypt", "seal"]], { imports: hostCall("keystore", "seal") });
  const after = using([["encrypt", "open"]], { imports: hostCall("keystore", "open") });
  const found = compared(before, after);
  assert.equal(found.verdict, "both");
  assert.deepEqual(
    found.changes.map(({ direction, of }) => `${direction} ${of}`),
    ["wider encrypt: keystore.open", "narrower encrypt: keystore.seal"],
  );
  assertLines(t, lines(found));
});

test("an operation is wider in an RPC even if another RPC already had it", () => {
  const before = using([["encrypt", "seal"]]);
  const after = using([
    ["encrypt", "seal"],
    ["status", "seal"],
  ]);
  assert.equal(compared(before, after).verdict, "widened");
});

test("an operation that the code can reach is wider even if the manifest does not request it", () => {
  const quiet = { ...using([["encrypt", "seal"]]), rows: [] };
  const found = compared({ ...quiet, bodies: {} }, quiet);
  assert.equal(found.verdict, "widened");
  assert.equal(found.new.refused, true);
  assert.ok(
    lines(found).includes(
      "wider operation encrypt: keystore.seal: neither requested nor reached → reached but not requested",
    ),
  );
});

test("for any two modules, the wider changes are the operations that only the new module has, and swapping the modules swaps the directions", () => {
  const use = fc.tuple(fc.constantFrom(...RPCS), fc.constantFrom(...OPERATIONS));
  const uses = fc.uniqueArray(use, { selector: String, maxLength: 6 });
  fc.assert(
    fc.property(uses, uses, (before, after) => {
      const keys = (all: readonly (readonly [string, string])[]) =>
        all.map(([rpc, operation]) => `${rpc}: keystore.${operation}`);
      const only = (all: string[], others: string[]) => all.filter((key) => !others.includes(key)).sort();
      const of = (changes: readonly Change[], direction: string) =>
        changes
          .filter((each) => each.direction === direction)
          .map((each) => each.of)
          .sort();
      const there = compared(using(before), using(after)).changes;
      const back = compared(using(after), using(before)).changes;
      assert.deepEqual(of(there, "wider"), only(keys(after), keys(before)));
      assert.deepEqual(of(there, "narrower"), only(keys(before), keys(after)));
      assert.deepEqual(of(back, "wider"), of(there, "narrower"));
    }),
    { numRuns: 60 },
  );
});

describe("the maximum size of an instance", () => {
  const CASES: [what: string, before: Guest, after: Guest, verdict: Diff["verdict"], line: string][] = [
    [
      "a larger maximum of memory",
      { memory: "1 4" },
      { memory: "1 8" },
      "widened",
      "wider memory pages of 64 KiB: 1, at most 4 → 1, at most 8",
    ],
    [
      "a smaller maximum of memory",
      { memory: "1 8" },
      { memory: "1 4" },
      "narrowed",
      "narrower memory pages of 64 KiB: 1, at most 8 → 1, at most 4",
    ],
    [
      "a removed maximum",
      { memory: "1 8" },
      { memory: "1" },
      "widened",
      "wider memory pages of 64 KiB: 1, at most 8 → 1, at most what the host allows",
    ],
    [
      "a larger initial size",
      { memory: "1 8" },
      { memory: "2 8" },
      "same",
      "neither memory pages of 64 KiB: 1, at most 8 → 2, at most 8",
    ],
    [
      "an added table",
      {},
      { fields: "(table 1 2 funcref)" },
      "widened",
      "wider table entries: none → 1, at most 2",
    ],
    [
      "a removed table",
      { fields: "(table 1 2 funcref)" },
      {},
      "narrowed",
      "narrower table entries: 1, at most 2 → none",
    ],
  ];
  for (const [what, before, after, verdict, line] of CASES) {
    test(what, () => {
      const found = compared(before, after);
      assert.deepEqual(lines(found), [line]);
      assert.equal(found.verdict, verdict);
    });
  }
});

test("an export that creates keys is wider", () => {
  const found = compared({}, { bodies: { provision: "" } });
  assert.deepEqual(lines(found), ["wider rpc kleidi_provision: not exported → exported"]);
});

test("name, version, reason, and an unreached import are listed and do not widen authority", (t) => {
  const before = using([["encrypt", "seal"]], { imports: hostCall("keystore", "seal") });
  const after = using([["encrypt", "seal"]], {
    imports: hostCall("keystore", "seal") + hostCall("keystore", "open"),
    rows: [{ ...row("keystore", "seal", "encrypt"), why: "because" }],
    name: "other",
    version: "2.0.0",
  });
  const found = compared(before, after);
  assert.equal(found.verdict, "same");
  assert.deepEqual(
    found.changes.map(({ direction, change }) => `${direction} ${change}`),
    ["neither why", "neither import", "neither name", "neither version"],
  );
  assertLines(t, lines(found));
});

test("a malformed module, and one without a manifest, cannot be compared", () => {
  assert.ok(!isComparable(inspected(guest().subarray(0, 40))));
  assert.ok(!isComparable(inspected(guest({ manifest: "{" }))));
});

test("the text contains no control characters, whatever the modules contain", () => {
  const evil = "a\u001b[2J\u202e";
  const bytes = [...Buffer.from(evil)].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  const found = compared(
    {},
    {
      imports: `(import "kleidi:${bytes}" "${bytes}" (func $f (param i64) (result i64)))`,
      bodies: { status: "(drop (call $f (i64.const 0)))" },
    },
  );
  assert.equal(found.verdict, "widened");
  const shown = diffTextOf({ ...found, old: { ...found.old, path: evil } }, (_, text) => text);
  assert.doesNotMatch(shown, /[^\P{C}\n]/u);
  assert.match(shown, /^ {2}\+ operation status: a\\u\{1b\}\[2J\\u\{202e\}\./m);
});
