import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TestClock } from "../../../../test/support/credential.ts";
import { Secret } from "../../../lib/secret.ts";
import { SecretScanner } from "./secret-scanner.ts";

const MINUTE = 60_000;

function scannerOf(...tokens: string[]) {
  const clock = new TestClock();
  const scanner = new SecretScanner(clock);
  for (const token of tokens) scanner.add("token", Secret.of(token));
  return { clock, scanner, has: (text: string) => scanner.foundIn(Buffer.from(text)) };
}

describe("the scanner finds", () => {
  test("a complete secret anywhere in the bytes", () => {
    const { has, scanner } = scannerOf("hvs.secret-token");
    assert.equal(has("hvs.secret-token"), true);
    assert.equal(has('{"errors":["bad token hvs.secret-token!"]}'), true);
    assert.equal(has("hvs.secret-toke"), false);
    assert.equal(has(""), false);
    assert.equal(scanner.foundIn(new Uint8Array(Buffer.from("..hvs.secret-token..")).subarray(3)), false);
  });

  test("a secret as JSON writes it, and as Go does", () => {
    const { has } = scannerOf('a"b\\c<d>&e');
    assert.equal(has(JSON.stringify({ echo: 'a"b\\c<d>&e' })), true);
    assert.equal(has('a\\"b\\\\c\\u003cd\\u003e\\u0026e'), true);
  });

  test("a replaced secret for five minutes", async () => {
    const { has, clock, scanner } = scannerOf("first-token", "second-token");
    await clock.pass(5 * MINUTE - 1);
    assert.equal(has("first-token"), true);
    await clock.pass(1);
    assert.equal(has("first-token"), false);
    scanner.add("token", Secret.of("second-token"));
    await clock.pass(1000 * MINUTE);
    assert.equal(has("second-token"), true);
  });

  test("each of several secrets in use", () => {
    const { has, scanner } = scannerOf("the-token");
    scanner.add("field password", Secret.of("the-password"));
    assert.deepEqual([has("the-token"), has("the-password")], [true, true]);
  });

  test("the last 64 replaced secrets, and no older one", () => {
    const { has } = scannerOf(...Array.from({ length: 70 }, (_, n) => `token-number-${n + 100}`));
    assert.equal(has("token-number-169"), true);
    assert.equal(has("token-number-105"), true);
    assert.equal(has("token-number-104"), false);
  });

  test("a replaced secret, however often its successor is sent", () => {
    const { has } = scannerOf("first-token", ...Array(100).fill("second-token"));
    assert.equal(has("first-token"), true);
  });

  test("no secret of seven characters, which could occur in any text", () => {
    assert.equal(scannerOf("1234567").has("1234567"), false);
    assert.equal(scannerOf("12345678").has("12345678"), true);
  });

  test("a secret even if another holder wiped it", () => {
    const clock = new TestClock();
    const scanner = new SecretScanner(clock);
    const secret = Secret.of("wiped-by-others");
    scanner.add("token", secret);
    secret.wipe();
    assert.equal(scanner.foundIn(Buffer.alloc(100)), false);
    assert.equal(scanner.foundIn(Buffer.from("wiped-by-others")), true);
  });
});
