import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { serialize } from "node:v8";
import { ownBytes, Secret } from "./secret.ts";

const TEXT = "CANARY-κλειδί";

const PRINTERS: Readonly<Record<string, (secret: Secret) => string>> = {
  String: (secret) => String(secret),
  "a template": (secret) => `${secret}`,
  "JSON.stringify": (secret) => JSON.stringify(secret),
  "JSON.stringify of its holder": (secret) => JSON.stringify({ secret, list: [secret] }),
  inspect: (secret) => inspect(secret),
  "inspect with all options": (secret) => inspect(secret, { depth: null, showHidden: true, getters: true }),
  "inspect of its holder": (secret) =>
    inspect({ secret, map: new Map([["secret", secret]]) }, { depth: null }),
  "a message to a thread": (secret) =>
    serialize(Object.assign(Object.create(null), secret)).toString("latin1"),
};

for (const [what, print] of Object.entries(PRINTERS))
  test(`${what} does not show a secret`, () => assert.doesNotMatch(print(Secret.of(TEXT)), /CANARY|67, ?65/));

test("a secret prints as [secret]", () => {
  const secret = Secret.of(TEXT);
  assert.equal(`${secret} ${JSON.stringify(secret)} ${inspect(secret)}`, '[secret] "[secret]" [secret]');
});

test("use and text reveal a secret", () => {
  const secret = Secret.of(TEXT);
  assert.equal(secret.text(), TEXT);
  assert.equal(
    secret.use((bytes) => Buffer.from(bytes).toString()),
    TEXT,
  );
  assert.equal(secret.length, Buffer.byteLength(TEXT));
});

test("text decodes only its own part of a larger buffer", () => {
  assert.equal(new Secret(Buffer.from("abcdef").subarray(2, 4)).text(), "cd");
});

test("wipe fills the original bytes with zeros", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  new Secret(bytes).wipe();
  assert.deepEqual(bytes, Uint8Array.of(0, 0, 0));
});

test("secrets with equal bytes are equal", () => {
  assert.ok(Secret.of(TEXT).equals(new Secret(Buffer.from(TEXT))));
  assert.ok(!Secret.of(TEXT).equals(Secret.of(`${TEXT}x`)));
});

test("ownBytes does not share its memory", () => {
  assert.equal(ownBytes(TEXT).buffer.byteLength, Buffer.byteLength(TEXT));
});
