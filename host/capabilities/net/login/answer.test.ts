/** Invalid answers of a login server: the login fails with a message that quotes nothing of the answer. */
import assert from "node:assert/strict";
import { validateHeaderValue } from "node:http";
import { afterEach, beforeEach, describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { headersOf, json, patient, Rig } from "../../../../test/support/credential.ts";
import { errorOf } from "../../../../test/support/failures.ts";
import { assertSentence } from "../../../../test/support/thrown.ts";
import { Unreachable } from "../exchange.ts";
import { documentOf, lifetimeIn, tokenIn } from "./answer.ts";

const CONFIG = {
  kind: "login",
  method: "POST",
  path: "/login",
  body: { user: "kleidi" },
  token: "/data/0/token",
  ttl: "/ttl",
  header: "authorization",
  scheme: "Bearer",
} as const;

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());

/** The lease after an answer with this token and time to live. */
async function headersAfter(token: unknown, ttl: unknown): Promise<unknown> {
  rig.answer = () => json({ data: [{ token }], ttl });
  return headersOf(await rig.create(CONFIG).lease(patient));
}

/** Asserts that the document is refused without a quote of it; the message is in the snapshot. */
async function refuses(t: TestContext, document: string | Uint8Array): Promise<void> {
  rig.answer = () => ({ status: 200, headers: {}, body: Buffer.from(document) });
  const error = await errorOf(() => rig.create(CONFIG).lease(patient));
  assert.ok(error instanceof Unreachable);
  assert.doesNotMatch(`${error.stack}`, /CANARY/);
  assert.equal(error.cause, undefined);
  assertSentence(t, error.message);
}

const answer = (token: unknown, ttl: unknown = 60) => JSON.stringify({ data: [{ token }], ttl });

describe("an answer to a login is refused if", () => {
  const TOKENS: Readonly<Record<string, unknown>> = {
    "the token contains CR and LF": "CANARY\r\nx-other: 1",
    "the token contains a NUL": "CANARY\0",
    "the token is not ASCII": "CANARYé",
    "the token ends in a space": "CANARY ",
    "the token is empty": "",
    "the token is a megabyte": "CANARY".repeat(200_000),
    "the token is too long for a header": "CANARY".repeat(3000),
    "the token is a number": 7,
    "the token is an object": { CANARY: 1 },
    "the token is null": null,
    "the token is absent": undefined,
  };
  for (const [name, token] of Object.entries(TOKENS)) {
    test(name, (t) => refuses(t, answer(token)));
  }

  for (const ttl of [-1, 0.5, "CANARY", "", "-5", "1e3", [60], {}, true]) {
    test(`the time to live is ${JSON.stringify(ttl)}`, (t) => refuses(t, answer("token", ttl)));
  }
  test("the time to live is infinite", (t) => refuses(t, '{"data":[{"token":"token"}],"ttl":1e999}'));

  const DOCUMENTS: Readonly<Record<string, string | Uint8Array>> = {
    "it is not JSON": "CANARY",
    "it is truncated": '{"data":[{"token":"CANARY',
    "it is empty": "",
    "it is not UTF-8": Buffer.from([0xff, 0xfe, 0]),
    "it is null": "null",
    "it is text": '"CANARY"',
    "it is deep": `${"[".repeat(30_000)}${"]".repeat(30_000)}`,
    "it has the token in a prototype": '{"data":{"__proto__":[{"token":"CANARY"}]}}',
  };
  for (const [name, document] of Object.entries(DOCUMENTS)) {
    test(name, (t) => refuses(t, document));
  }
});

describe("an answer to a login is accepted if", () => {
  const TTLS: Readonly<Record<string, readonly [unknown, number]>> = {
    "a number": [60, 60],
    "not an integer": [1.5, 1.5],
    "a number in text": ["3600", 3600],
    "longer than ten years": [1e15, 10 * 365 * 86_400],
  };
  for (const [name, [ttl, seconds]] of Object.entries(TTLS)) {
    test(`the time to live is ${name}`, async () => {
      assert.deepEqual(await headersAfter("token", ttl), { authorization: "Bearer token" });
      assert.equal(rig.events[0]?.expires, rig.clock.date() + seconds * 1000);
    });
  }

  test("a token's characters are those of a JWT or of base64", async () => {
    const token = "eyJ.a-b_c~d+e/f==";
    assert.deepEqual(await headersAfter(token, 60), { authorization: `Bearer ${token}` });
  });
});

describe("for any answer of a server", () => {
  /** Returns the result, or the Unreachable. */
  function outcomeOf(body: Uint8Array): { token: string; ttlMs: number } | Unreachable {
    try {
      const document = documentOf("the login", { status: 200, headers: {}, body }, "");
      const token = tokenIn("the login", document, ["token"]).text();
      return { token, ttlMs: lifetimeIn("the login", document, { ttl: ["ttl"] }).ttlMs };
    } catch (error) {
      if (error instanceof Unreachable) return error;
      throw error;
    }
  }

  test("the host gets a token that fits in a header with a finite lifetime, or an error message", () => {
    const part = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string(),
      fc.jsonValue(),
      fc.double(),
      fc.integer(),
    );
    let tokens = 0;
    fc.assert(
      fc.property(fc.record({ token: part, ttl: part }, { requiredKeys: [] }), (answer) => {
        const outcome = outcomeOf(Buffer.from(JSON.stringify(answer)));
        if (outcome instanceof Unreachable) return;
        tokens++;
        validateHeaderValue("x-token", outcome.token);
        assert.equal(outcome.token, outcome.token.trim());
        assert.ok(outcome.ttlMs >= 1000);
      }),
      { numRuns: 2000 },
    );
    assert.ok(tokens > 20, `${tokens} tokens`);
  });

  test("malformed answers give an error message", () => {
    fc.assert(fc.property(fc.uint8Array(), (body) => outcomeOf(body) instanceof Unreachable));
  });
});
