import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TestClock } from "../../../../test/support/credential.ts";
import { Secret } from "../../../lib/secret.ts";
import { Leaks } from "./leaks.ts";

const MINUTE = 60_000;

function leaksOf(...tokens: string[]) {
  const clock = new TestClock();
  const leaks = new Leaks(clock);
  for (const token of tokens) leaks.sent("token", Secret.of(token));
  return { clock, leaks, has: (text: string) => leaks.in(Buffer.from(text)) };
}

describe("a leak", () => {
  test("is a secret anywhere in the bytes, and nothing less than all of it", () => {
    const { has, leaks } = leaksOf("hvs.secret-token");
    assert.equal(has("hvs.secret-token"), true);
    assert.equal(has('{"errors":["bad token hvs.secret-token!"]}'), true);
    assert.equal(has("hvs.secret-toke"), false);
    assert.equal(has(""), false);
    assert.equal(leaks.in(new Uint8Array(Buffer.from("..hvs.secret-token..")).subarray(3)), false);
  });

  test("is a secret as JSON writes it, and as Go does", () => {
    const { has } = leaksOf('a"b\\c<d>&e');
    assert.equal(has(JSON.stringify({ echo: 'a"b\\c<d>&e' })), true);
    assert.equal(has('a\\"b\\\\c\\u003cd\\u003e\\u0026e'), true);
  });

  test("is a secret that was replaced, for five minutes", async () => {
    const { has, clock, leaks } = leaksOf("first-token", "second-token");
    await clock.pass(5 * MINUTE - 1);
    assert.equal(has("first-token"), true);
    await clock.pass(1);
    assert.equal(has("first-token"), false);
    leaks.sent("token", Secret.of("second-token"));
    await clock.pass(1000 * MINUTE);
    assert.equal(has("second-token"), true);
  });

  test("is each of the secrets that are used at once", () => {
    const { has, leaks } = leaksOf("the-token");
    leaks.sent("field password", Secret.of("the-password"));
    assert.deepEqual([has("the-token"), has("the-password")], [true, true]);
  });

  test("of the 64 secrets that were replaced last is found, and of no older one", () => {
    const { has } = leaksOf(...Array.from({ length: 70 }, (_, n) => `token-number-${n + 100}`));
    assert.equal(has("token-number-169"), true);
    assert.equal(has("token-number-105"), true);
    assert.equal(has("token-number-104"), false);
  });

  test("is a secret that was replaced, however often the one after it is sent", () => {
    const { has } = leaksOf("first-token", ...Array(100).fill("second-token"));
    assert.equal(has("first-token"), true);
  });

  test("is no secret of seven characters: it is in any text", () => {
    assert.equal(leaksOf("1234567").has("1234567"), false);
    assert.equal(leaksOf("12345678").has("12345678"), true);
  });

  test("is not looked for in a secret whose holder was wiped by someone else", () => {
    const clock = new TestClock();
    const leaks = new Leaks(clock);
    const secret = Secret.of("wiped-by-others");
    leaks.sent("token", secret);
    secret.wipe();
    assert.equal(leaks.in(Buffer.alloc(100)), false);
    assert.equal(leaks.in(Buffer.from("wiped-by-others")), true);
  });
});
