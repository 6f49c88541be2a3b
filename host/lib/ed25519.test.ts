import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { ed25519FromRaw, ed25519FromSpki, rawOf, spkiOf } from "./ed25519.ts";

const { publicKey } = generateKeyPairSync("ed25519");

test("raw bytes and SPKI decode to the same public key", () => {
  assert.equal(rawOf(publicKey).length, 32);
  assert.ok(publicKey.equals(ed25519FromRaw(rawOf(publicKey))));
  assert.ok(ed25519FromSpki(spkiOf(publicKey))?.equals(publicKey));
});

test("ed25519FromSpki reads the example of RFC 8410, section 10.1", () => {
  const spki = Buffer.from("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "base64");
  const key = ed25519FromSpki(spki);
  assert.equal(
    key && rawOf(key).toString("hex"),
    "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
  );
});

for (const [what, spki] of [
  ["of another curve", spkiOf(generateKeyPairSync("x25519").publicKey)],
  ["of RSA", spkiOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey)],
  ["with a missing byte", spkiOf(publicKey).subarray(0, -1)],
  ["with an extra byte", Buffer.concat([spkiOf(publicKey), Buffer.of(0)])],
] as const)
  test(`SPKI ${what} is refused`, () => assert.equal(ed25519FromSpki(spki), undefined));
