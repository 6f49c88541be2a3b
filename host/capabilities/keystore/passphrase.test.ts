/** Passphrases of the keystore: the replies of s2k; passphrases are not usable as keys, nor keys as passphrases. */

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as pb from "../../../proto/provider/v1/provider_pb.ts";
import { assertRefused } from "../../../test/support/failures.ts";
import type { HostAnswer } from "../../host-call.ts";
import { Secret } from "../../lib/secret.ts";
import { decideOn } from "../capability.ts";
import type { KeystoreGrant } from "./grant.ts";
import { passphraseOf } from "./key-file.ts";
import { Keystore } from "./keystore.ts";

const NO_BYTES = new Uint8Array();
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => 255 - 7 * i);
const TEXT = Buffer.from(SECRET).toString("base64url");
const VERSION = createHmac("sha256", SECRET).update("kleidi fingerprint 1").digest("hex").slice(0, 32);
const NUMBERS = { salt: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), count: 65_536, length: 32 };
const GRANTED: KeystoreGrant = { keys: ["key"], passphrases: ["phrase", "absent"] };

async function keystore(): Promise<Keystore> {
  const store = new Keystore(crypto);
  await store.add("key", new Secret(SECRET.slice()));
  store.addPassphrase("phrase", new Secret(SECRET.slice()));
  return store;
}

async function call(
  store: Keystore,
  operation: string,
  request: Uint8Array,
  grants = GRANTED,
  signal = new AbortController().signal,
): Promise<HostAnswer> {
  const place = { provider: "gpg", rpc: "encrypt", ordinal: 1, ordinalOfCapability: 1 } as const;
  const decided = decideOn(
    store.opened(),
    { ...place, capability: "keystore", operation, request, signal },
    grants,
  );
  return "perform" in decided ? await decided.perform() : decided;
}

function s2kRequest(changes: MessageInitShape<typeof pb.KeystoreS2kRequestSchema> = {}): Uint8Array {
  const fields = { key: "phrase", version: VERSION, ...NUMBERS, ...changes };
  return toBinary(pb.KeystoreS2kRequestSchema, create(pb.KeystoreS2kRequestSchema, fields));
}

test("s2k derives from the text in the key file", async () => {
  const { code, body } = await call(await keystore(), "s2k", s2kRequest());
  const hashed = Buffer.alloc(NUMBERS.count, Buffer.concat([NUMBERS.salt, Buffer.from(TEXT)]));
  assert.deepEqual([code, Buffer.from(body)], [0, createHash("sha256").update(hashed).digest()]);
});

test("s2k returns the requested number of bytes", async () => {
  const store = await keystore();
  const { body } = await call(store, "s2k", s2kRequest());
  for (const length of [1, 16, 31]) {
    const { body: shorter } = await call(store, "s2k", s2kRequest({ length }));
    assert.deepEqual(Buffer.from(shorter), Buffer.from(body.subarray(0, length)));
  }
});

test("info returns the fingerprint of a passphrase like that of a key", async () => {
  for (const key of ["key", "phrase"]) {
    const request = toBinary(pb.KeystoreInfoRequestSchema, create(pb.KeystoreInfoRequestSchema, { key }));
    const { code, body } = await call(await keystore(), "info", request);
    assert.deepEqual([code, fromBinary(pb.KeystoreInfoSchema, body).version], [0, VERSION]);
  }
});

const DENIED = 1;

test("s2k is denied with a key", async (t) => {
  assertRefused(t, await call(await keystore(), "s2k", s2kRequest({ key: "key" })), DENIED);
});

test("s2k is denied if no passphrase is granted", async (t) => {
  const store = await keystore();
  assertRefused(t, await call(store, "s2k", s2kRequest(), { keys: ["phrase"] }), DENIED);
  assertRefused(t, await call(store, "s2k", s2kRequest(), { keys: [] }), DENIED);
});

test("seal is denied with a passphrase", async (t) => {
  const fields = { key: "phrase", version: VERSION, plaintext: SECRET };
  const request = toBinary(pb.KeystoreSealRequestSchema, create(pb.KeystoreSealRequestSchema, fields));
  assertRefused(t, await call(await keystore(), "seal", request), DENIED);
});

test("open is denied with a passphrase", async (t) => {
  const fields = { key: "phrase", version: VERSION, sealed: new Uint8Array(60) };
  const request = toBinary(pb.KeystoreOpenRequestSchema, create(pb.KeystoreOpenRequestSchema, fields));
  assertRefused(t, await call(await keystore(), "open", request), DENIED);
});

test("a key is never used as a passphrase, nor a passphrase as a key, whatever is granted", async () => {
  const store = await keystore();
  const swapped: KeystoreGrant = { keys: ["phrase"], passphrases: ["key"] };
  assert.equal((await call(store, "s2k", s2kRequest({ key: "key" }), swapped)).code, 3);
  const fields = { key: "phrase", version: VERSION, plaintext: SECRET };
  const request = toBinary(pb.KeystoreSealRequestSchema, create(pb.KeystoreSealRequestSchema, fields));
  assert.equal((await call(store, "seal", request, swapped)).code, 3);
});

/** The changed field, and the host's code. */
const REFUSED: readonly [name: string, MessageInitShape<typeof pb.KeystoreS2kRequestSchema>, number][] = [
  ["another version", { version: "1" }, 3],
  ["a key that is not loaded", { key: "absent" }, 3],
  ["a salt of 7 bytes", { salt: NUMBERS.salt.subarray(1) }, 2],
  ["a salt of 9 bytes", { salt: new Uint8Array(9) }, 2],
  ["no salt", { salt: NO_BYTES }, 2],
  ["the count 1023", { count: 1023 }, 2],
  ["the count 65011713", { count: 65_011_713 }, 2],
  ["the count 4294967295", { count: 4_294_967_295 }, 2],
  ["the length 0", { length: 0 }, 2],
  ["the length 33", { length: 33 }, 2],
];
for (const [name, changes, code] of REFUSED) {
  test(`s2k refuses ${name}`, async (t) => {
    assertRefused(t, await call(await keystore(), "s2k", s2kRequest(changes)), code);
  });
}

test("s2k refuses a malformed request", async (t) => {
  const got = await call(await keystore(), "s2k", Uint8Array.of(255));
  assertRefused(t, got, 2);
});

test("s2k fails as unavailable when the call has ended", async (t) => {
  const got = await call(await keystore(), "s2k", s2kRequest(), GRANTED, AbortSignal.abort());
  assertRefused(t, got, 5);
});

test("addPassphrase wipes the bytes of the key", () => {
  const bytes = SECRET.slice();
  new Keystore(crypto).addPassphrase("phrase", new Secret(bytes));
  assert.deepEqual(bytes, new Uint8Array(32));
});

test("a passphrase cannot be printed", async () => {
  const phrase = passphraseOf(new Secret(SECRET.slice()));
  phrase.use((text) => assert.equal(Buffer.from(text).toString(), TEXT));
  const printed = [`${phrase}`, JSON.stringify({ phrase }), inspect(phrase, { depth: 9, showHidden: true })];
  printed.push(inspect(await keystore(), { depth: 9, showHidden: true }));
  for (const text of printed) {
    assert.ok(!text.includes(TEXT.slice(0, 8)), text);
    assert.doesNotMatch(text, /Uint8Array/);
  }
});
