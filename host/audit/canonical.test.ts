import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";
import { Chain, headOf, prefixOf, recordOf, ZERO_HASH } from "./chain.ts";
import { Signer } from "./checkpoint.ts";
import { readCheckpoints } from "./export.ts";
import type { Fault, TamperKind } from "./fault.ts";
import type { Control, Entry } from "./record.ts";
import { verify } from "./verify.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "audit.jsonl");
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const signer = new Signer(privateKey);
const CHAIN = "0123456789abcdef";
const TIME = "2026-01-01T00:00:00.000Z";

const CALL: Entry = {
  kind: "host_call",
  rpc: "decrypt",
  uid: 'a "quoted" \\ uid',
  provider: "vault",
  capability: "net",
  operation: "request",
  decision: "allowed",
  rule: "grants.net[0]",
  ms: 1.5,
};

function faultOf(lines: readonly string[]): Fault | undefined {
  writeFileSync(file, `${lines.join("\n")}\n`);
  return verify([file], { keys: [publicKey] }).fault;
}

function assertFault(t: TestContext, lines: readonly string[], what: TamperKind): void {
  const fault = faultOf(lines);
  assert.deepEqual([fault?.kind, fault?.line], [what, 3]);
  t.assert.snapshot(fault?.why);
}

/** Two lines, and a third one with changed bytes. */
function logWith(record: (chain: Chain) => Entry | Control, change: (line: string) => string): string[] {
  const chain = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
  const lines = [chain.next({ kind: "genesis" }, TIME).text, chain.next(CALL, TIME).text];
  const own = chain.next(record(chain), TIME).text;
  const changed = change(own);
  return [...lines, changed];
}

/** Each change keeps the meaning for a JSON parser, or adds a form that no host writes. */
const CHANGES: Readonly<Record<string, (line: string) => string>> = {
  "an escape in the name of a field": (line) =>
    line.replace(
      /,"(key|rpc)":/,
      (_, name: string) => `,"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":`,
    ),
  "an escaped slash or letter in a value": (line) =>
    line.replace(/"([^"]*)"\}$|"ms":/, (all) =>
      all === '"ms":' ? '"\\u006ds":' : `"\\u00${all.charCodeAt(1).toString(16)}${all.slice(2)}`,
    ),
  "an extra field": (line) => `${line.slice(0, -1)},"note":"x"}`,
  "a duplicate field": (line) => line.replace(/("(?:key|rpc)":"[^"]*")/, "$1,$1"),
  "a missing field": (line) => line.replace(/,"(key|provider)":"[^"]*"/, ""),
  "two fields in another order": (line) =>
    line.replace(/("(?:key|provider)":"[^"]*"),("[a-z]+":"[^"]*")/, "$2,$1"),
  "a space between two fields": (line) => line.replace(/,"(key|rpc)"/, ', "$1"'),
  "a space after a colon": (line) => line.replace(/"(key|rpc)":/, '"$1": '),
  "a trailing space": (line) => `${line} `,
  "a trailing carriage return": (line) => `${line}\r`,
  "a control character": (line) => line.replace(/"(key|rpc)":"/, '"$1":"\u0000'),
  "a non-ASCII byte": (line) => line.replace(/"(key|rpc)":"/, '"$1":"\u00e9'),
  "another kind": (line) => line.replace(/"kind":"[a-z_]+"/, '"kind":"other"'),
  "an invalid time": (line) => line.replace(TIME, "2026-13-01T00:00:00.000Z"),
};

describe("verify, for checkpoints,", () => {
  const checkpoint = (chain: Chain) => signer.checkpoint(chain.at, TIME);
  test("accepts the signed one", () => assert.equal(faultOf(logWith(checkpoint, (line) => line)), undefined));

  for (const [what, change] of Object.entries(CHANGES))
    test(`rejects one with ${what}`, (t) => {
      const [first = "", second = "", changed = ""] = logWith(checkpoint, change);
      assert.notEqual(changed, logWith(checkpoint, (line) => line)[2]);
      assertFault(t, [first, second, changed], "changed");
      // The exported form is rejected too.
      writeFileSync(join(folder, "exported"), `${changed}\n`);
      assert.deepEqual(readCheckpoints([join(folder, "exported")]), {
        file: join(folder, "exported"),
        line: 1,
      });
    });

  test("rejects one whose signature encodes the same bytes differently", (t) => {
    // Of the last of 86 characters, only four bits are used.
    const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const lines = logWith(checkpoint, (line) =>
      line.replace(/(.)=="\}$/, (_, last: string) => `${digits[digits.indexOf(last) + 1]}=="}`),
    );
    assertFault(t, lines, "forged");
  });
});

describe("verify, for lines,", () => {
  test("accepts one as a host writes it", () =>
    assert.equal(
      faultOf(
        logWith(
          () => CALL,
          (line) => line,
        ),
      ),
      undefined,
    ));

  for (const [what, change] of Object.entries(CHANGES))
    test(`rejects one with ${what}`, (t) => {
      const lines = logWith(() => CALL, change);
      assert.notEqual(
        lines[2],
        logWith(
          () => CALL,
          (line) => line,
        )[2],
      );
      assertFault(t, lines, "changed");
    });

  for (const [what, from, to] of [
    ["a number with an exponent", '"ms":1.5', '"ms":15e-1'],
    ["a number with trailing zeros", '"ms":1.5', '"ms":1.50'],
    ["a number with a leading zero", '"ms":1.5', '"ms":01.5'],
    ["an unknown word", '"allowed"', '"perhaps"'],
    ["a text over the limit", '"vault"', `"${"v".repeat(65)}"`],
    ["a number instead of a text", '"vault"', "1"],
  ] as const)
    test(`rejects one with ${what}`, (t) => {
      const lines = logWith(
        () => CALL,
        (line) => line.replace(from, to),
      );
      assertFault(t, lines, "changed");
    });
});

describe("the head of a line", () => {
  const chain = new Chain({ chain: CHAIN, seq: 0, hash: ZERO_HASH });
  const { text } = chain.next({ kind: "genesis" }, TIME);

  test("is read only at the beginning", () => {
    assert.equal(headOf(text)?.seq, 1);
    for (const front of [" ", "x", "{", text])
      assert.equal(headOf(`${front}${text}`)?.seq, front === text ? 1 : undefined);
  });

  test("has a sequence that is a safe integer, and a time", () => {
    assert.equal(headOf(text.replace('"seq":1', '"seq":9007199254740991'))?.seq, 9007199254740991);
    assert.equal(headOf(text.replace('"seq":1', '"seq":9007199254740992')), undefined);
    assert.equal(headOf(text.replace(TIME, "2026-01-01T00:00:00:000Z")), undefined);
  });

  test("is required at the beginning of a record", () => {
    assert.equal(recordOf(text)?.kind, "genesis");
    for (const other of ['{"kind":"genesis"}', "null", "1", `[${text}]`, text.slice(0, -1)])
      assert.equal(recordOf(other), undefined, other);
  });

  test("begins with the prefix of its position", () => {
    const next = chain.next(CALL, TIME);
    const at = { chain: CHAIN, seq: 1, hash: headOf(next.text)?.prev ?? "" };
    assert.equal(next.text.slice(0, prefixOf(at).length), prefixOf(at));
    assert.equal(next.text.slice(prefixOf(at).length, prefixOf(at).length + TIME.length), TIME);
  });
});
