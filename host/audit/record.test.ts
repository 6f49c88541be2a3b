import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as z from "zod";
import { thrown } from "../../test/support/thrown.ts";
import { isCanonical } from "./canonical.ts";
import { Chain, hashOf, headOf, LONGEST_HEAD, MOST_SEQ, prefixOf, recordOf, ZERO_HASH } from "./chain.ts";
import { bounded } from "./fields.ts";
import { type Control, type Entry, LONGEST_LINE, RECORDS } from "./record.ts";
import { render } from "./render.ts";

const SCHEMA = z.fromJSONSchema(
  JSON.parse(readFileSync(join(import.meta.dirname, "../../docs/audit.schema.json"), "utf8")),
);
const TIME = "2026-01-01T00:00:00.000Z";
const lineOf = (record: Entry | Control, seq = 0) =>
  new Chain({ chain: "0123456789abcdef", seq, hash: ZERO_HASH }).next(record, TIME).text;

type Field = {
  is: string;
  max?: number;
  digits?: number;
  characters?: number;
  of?: readonly string[];
  field?: Field;
};

/** Any value that the types allow; texts are arbitrary. */
function anyOf(field: Field): fc.Arbitrary<unknown> {
  switch (field.is) {
    case "optional":
      return fc.option(anyOf(field.field as Field), { nil: undefined });
    case "text":
      return fc.oneof(
        fc.string({ unit: "binary", maxLength: 2000 }),
        fc.string({ unit: fc.constantFrom("\\", '"'), maxLength: 1000 }),
      );
    case "hex":
      return fc.string({
        unit: fc.constantFrom(..."0123456789abcdef"),
        minLength: field.digits ?? 0,
        maxLength: field.digits ?? 0,
      });
    case "base64":
      return fc
        .uint8Array({ minLength: 64, maxLength: 64 })
        .map((bytes) => Buffer.from(bytes).toString("base64"));
    case "count":
      return fc.maxSafeNat();
    case "ms":
      return fc.double({ min: 0, max: 1e6, noNaN: true });
    case "time":
      return fc
        .date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true })
        .map((date) => date.toISOString());
    default:
      return fc.constantFrom(...(field.of ?? []));
  }
}

describe("every line", () => {
  for (const [kind, shape] of Object.entries(RECORDS)) {
    const fields = Object.fromEntries(
      Object.entries(shape).map(([name, field]) => [name, anyOf(field as Field)]),
    );
    test(`of the kind ${kind} matches docs/audit.schema.json, is ASCII, and does not exceed the maximum length`, () => {
      fc.assert(
        fc.property(fc.record(fields), fc.constantFrom(0, 12, MOST_SEQ - 1), (values, seq) => {
          const line = lineOf({ kind, ...values } as never, seq);
          assert.match(line, /^[ -~]*$/);
          assert.ok(line.length < LONGEST_LINE, `${line.length} bytes`);
          assert.ok(SCHEMA.safeParse(JSON.parse(line)).success, line);
          assert.deepEqual(headOf(line.slice(0, LONGEST_HEAD))?.kind, kind);
          const at = { chain: "0123456789abcdef", seq, hash: ZERO_HASH };
          assert.ok(line.startsWith(prefixOf(at)), line);
          assert.ok(isCanonical(line, kind, prefixOf(at).length), line);
          assert.match(render(recordOf(line) ?? assert.fail()), /^[ -~]*$/);
        }),
        { numRuns: 200 },
      );
    });
  }

  const CALL = {
    kind: "host_call",
    rpc: "decrypt",
    provider: "p",
    capability: "net",
    operation: "request",
    decision: "denied",
    rule: "r",
  } as const;

  test("does not match the schema if it has an unknown kind, an extra field or a missing field", () => {
    const good = JSON.parse(lineOf(CALL));
    assert.ok(SCHEMA.safeParse(good).success);
    assert.ok(!SCHEMA.safeParse({ ...good, kind: "other" }).success);
    assert.ok(!SCHEMA.safeParse({ ...good, body: "x" }).success);
    assert.ok(!SCHEMA.safeParse({ ...good, rule: undefined }).success);
  });

  test("has only the fields of its kind, even if the record has more", () => {
    const given = { ...CALL, token: "s3cr3t", headers: { authorization: "s3cr3t" } };
    assert.doesNotMatch(lineOf(given), /s3cr3t|token|headers/);
  });

  test("accepts no bytes, neither in the types nor in the log", (t) => {
    const bytes = Buffer.from("s3cr3t");
    // @ts-expect-error: a text is a string
    const error = thrown(() => lineOf({ ...CALL, target: bytes }));
    assert.ok(error instanceof TypeError);
    t.assert.snapshot(error.message);
    // @ts-expect-error: a hash is a string
    assert.throws(() => lineOf({ ...CALL, module: bytes }), TypeError);
    // @ts-expect-error: a decision is one of three words
    assert.throws(() => lineOf({ ...CALL, decision: "maybe" }), TypeError);
    assert.throws(() => lineOf({ ...CALL, module: "not a hash" }), TypeError);
    assert.throws(() => lineOf({ ...CALL, ms: Number.NaN }), TypeError);
  });

  test("that cannot be created does not advance the chain", () => {
    const chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
    chain.next({ kind: "genesis" }, TIME);
    const { hash } = chain.at;
    assert.throws(() => chain.next({ ...CALL, module: "no" }, TIME), TypeError);
    assert.equal(chain.at.hash, hash);
    assert.match(chain.next(CALL, TIME).text, new RegExp(`"prev":"${hash}","seq":2`));
  });

  test("contains the SHA-256 of the complete line before it", () => {
    const chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
    const first = chain.next({ kind: "genesis" }, TIME);
    assert.equal(headOf(chain.next(CALL, TIME).text)?.prev, hashOf(Buffer.from(first.text)));
  });
});

describe("bounded text", () => {
  for (const [from, to] of [
    ["https://vault:8200/v1", "https://vault:8200/v1"],
    ["a\u001b[2Jb", "a\\u{1b}[2Jb"],
    ["a\nb", "a\\u{a}b"],
    ["ключ", "\\u{43a}\\u{43b}..."],
    ["😀", "\\u{1f600}"],
    ["\ud800", "\\u{d800}"],
    ["x".repeat(30), `${"x".repeat(17)}...`],
  ] as const) {
    test(`is ${JSON.stringify(to)} for ${JSON.stringify(from)}`, () => {
      assert.equal(bounded(from, from.startsWith("http") ? 64 : 20), to);
    });
  }
});
