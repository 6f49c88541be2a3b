import assert from "node:assert/strict";
import { test } from "node:test";
import { KleidiError } from "../error.ts";
import { deriveKeyId, parseKeyId } from "./key-id.ts";
import { type KeyConfig, Keyset } from "./keyset.ts";
import type { Provider } from "./provider.ts";

const unused = () => Promise.reject(new Error("the keyset calls no provider"));
const provider: Provider = { name: "vault", status: unused, encrypt: unused, decrypt: unused };
const only = (version: string, ...olderVersions: string[]) => ({ version, olderVersions });
const offline = new KleidiError("backend-unreachable", "Cannot status: offline");

function keyConfig(name: string, use: "active" | "decrypt" = "active", pin?: string): KeyConfig {
  return { name, provider, use, pin };
}

async function learnt(keyset: Keyset, key: KeyConfig, version: string, ...older: string[]) {
  const current = await keyset.learn(key, only(version, ...older));
  keyset.markGood(current);
  return current;
}

test("active is the key with use: active, wherever it stands", () => {
  const active = keyConfig("b");
  assert.equal(new Keyset([keyConfig("a", "decrypt"), active]).active.key, active);
});

test("active of a keyset without one is a fault of the host", () => {
  assert.throws(() => new Keyset([keyConfig("a", "decrypt")]).active, {
    code: "host-fault",
    message: "Cannot find the active key: the keyset has none",
  });
});

test("encryptWith fails before the first probe has ended", () => {
  assert.throws(() => new Keyset([keyConfig("main")]).encryptWith(), {
    code: "key-not-ready",
    message: 'Cannot use key "main": its first health probe is still running',
  });
});

test("encryptWith gives the version that was marked good", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const current = await learnt(keyset, key, "1");
  assert.equal(keyset.encryptWith(), current);
});

test("encryptWith never gives a key that only decrypts", async () => {
  const old = keyConfig("old", "decrypt");
  const keyset = new Keyset([old, keyConfig("main")]);
  await learnt(keyset, old, "1");
  assert.throws(() => keyset.encryptWith(), { code: "key-not-ready" });
});

test("encryptWith does not give a version that was learnt and not marked good", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await keyset.learn(key, only("1"));
  assert.throws(() => keyset.encryptWith(), { code: "key-not-ready" });
});

test("encryptWith throws what the last probe failed with", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await learnt(keyset, key, "1");
  keyset.markFailed(key, offline);
  assert.throws(() => keyset.encryptWith(), offline);
});

test("encryptWith recovers once the key is marked good again", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const current = await learnt(keyset, key, "1");
  keyset.markFailed(key, offline);
  keyset.markGood(current);
  assert.equal(keyset.encryptWith(), current);
});

test("learn makes the key_id of key name and version", async () => {
  const key = keyConfig("main");
  assert.deepEqual(await new Keyset([key]).learn(key, only("7")), {
    key,
    version: "7",
    keyId: await deriveKeyId("main", "7"),
  });
});

test("decryptWith routes each key_id to the key that has it", async () => {
  const keys = [keyConfig("main"), keyConfig("old", "decrypt")];
  const keyset = new Keyset(keys);
  const learns = await Promise.all(keys.map((key) => learnt(keyset, key, "1")));
  assert.deepEqual(
    learns.map(({ keyId }) => keyset.decryptWith(keyId)),
    learns,
  );
});

test("decryptWith routes older versions with their own version and key_id", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await learnt(keyset, key, "3", "1", "2");
  const keyId = await deriveKeyId("main", "2");
  assert.deepEqual(keyset.decryptWith(keyId), { key, version: "2", keyId });
});

test("decryptWith still routes a version that the provider names no longer", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const first = await learnt(keyset, key, "1");
  await learnt(keyset, key, "2");
  assert.equal(keyset.decryptWith(first.keyId).version, "1");
});

test("decryptWith routes to a key whose last probe failed", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const current = await learnt(keyset, key, "1");
  keyset.markFailed(key, offline);
  assert.equal(keyset.decryptWith(current.keyId), current);
});

test("decryptWith refuses a key_id that no key has", async () => {
  const keys = [keyConfig("main"), keyConfig("old", "decrypt")];
  const keyset = new Keyset(keys);
  for (const key of keys) await learnt(keyset, key, "1");
  assert.throws(() => keyset.decryptWith(parseKeyId("k1.other")), {
    code: "key-unknown",
    message: "Cannot decrypt: none of 2 keys has this key_id",
  });
});

test("decryptWith does not call a key_id unknown while a key has never answered", async () => {
  const keys = [keyConfig("main"), keyConfig("old", "decrypt"), keyConfig("older", "decrypt")];
  const keyset = new Keyset(keys);
  await learnt(keyset, keys[0] as KeyConfig, "1");
  keyset.markFailed(keys[1] as KeyConfig, offline);
  assert.throws(() => keyset.decryptWith(parseKeyId("k1.other")), {
    code: "key-not-ready",
    message: 'Cannot decrypt: no key that is ready has this key_id, and "old", "older" has never answered',
  });
});

test("decryptWith serves a ready key while another one has never answered", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key, keyConfig("old", "decrypt")]);
  const current = await learnt(keyset, key, "1");
  assert.equal(keyset.decryptWith(current.keyId), current);
});

test("learn accepts the pinned version", async () => {
  const key = keyConfig("main", "active", "1");
  assert.equal((await new Keyset([key]).learn(key, only("1"))).version, "1");
});

test("learn refuses a version that is not the pinned one", async () => {
  const key = keyConfig("main", "active", "1");
  await assert.rejects(new Keyset([key]).learn(key, only("2", "1")), {
    code: "key-not-ready",
    message: 'Cannot use key "main": its version is 2, the configuration pins 1',
  });
});

test("learn routes nothing to a version that is not the pinned one", async () => {
  const key = keyConfig("main", "active", "1");
  const keyset = new Keyset([key]);
  await keyset.learn(key, only("2")).catch(() => {});
  const keyId = await deriveKeyId("main", "2");
  assert.throws(() => keyset.decryptWith(keyId), { code: "key-not-ready" });
});

test("learn refuses to go back to the version before", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await learnt(keyset, key, "1");
  await learnt(keyset, key, "2");
  await assert.rejects(keyset.learn(key, only("1")), {
    code: "provider-fault",
    message: 'Cannot use key "main": provider "vault" went back from version 2 to 1',
  });
});

test("learn refuses to go back over several versions", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  for (const version of ["1", "2", "3"]) await learnt(keyset, key, version);
  await assert.rejects(keyset.learn(key, only("1")), {
    message: 'Cannot use key "main": provider "vault" went back from version 3 to 1',
  });
});

test("learn accepts the present version after a refused step back", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await learnt(keyset, key, "1");
  await learnt(keyset, key, "2");
  await keyset.learn(key, only("1")).catch(() => {});
  assert.equal((await keyset.learn(key, only("2", "1"))).version, "2");
});

test("learn accepts the version again that no newer one was used after", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await learnt(keyset, key, "1");
  // Version 2 was named, but its use failed: no object was written under it.
  await keyset.learn(key, only("2"));
  keyset.markFailed(key, offline);
  assert.equal((await keyset.learn(key, only("1"))).version, "1");
});

test("learn takes the same version of two keys for different ones", async () => {
  const keys = [keyConfig("a"), keyConfig("b", "decrypt")] as const;
  const keyset = new Keyset(keys);
  await learnt(keyset, keys[0], "1");
  await learnt(keyset, keys[0], "2");
  assert.equal((await keyset.learn(keys[1], only("1"))).version, "1");
});

test("states tell of each key in the configuration's order", async () => {
  const keys = [keyConfig("a", "decrypt"), keyConfig("b"), keyConfig("c", "decrypt")] as const;
  const keyset = new Keyset(keys);
  const current = await learnt(keyset, keys[0], "1");
  keyset.markFailed(keys[2], offline);
  assert.deepEqual(keyset.states(), [
    { key: keys[0], current },
    { key: keys[1] },
    { key: keys[2], failure: offline },
  ]);
});

test("a provider may name 1024 versions, the same ones again, and no other one", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const versions = Array.from({ length: 1024 }, (_, i) => `v${i}`);
  await learnt(keyset, key, "v0", ...versions.slice(1, 1023));
  await learnt(keyset, key, "v0", ...versions.slice(1));
  await learnt(keyset, key, "v0", ...versions.slice(1));
  await assert.rejects(keyset.learn(key, only("v0", "v1", "another")), {
    code: "provider-fault",
    message:
      'Cannot use key "main": provider "vault" has named 1025 versions since the start, at most 1024 are allowed',
  });
});

test("versions of another key of the same provider do not count", async () => {
  const [key, other] = [keyConfig("main"), keyConfig("other", "decrypt")];
  const keyset = new Keyset([key, other]);
  const versions = Array.from({ length: 1023 }, (_, i) => `v${i}`);
  await learnt(keyset, key, "a", ...versions);
  assert.equal((await learnt(keyset, other, "a", ...versions)).key, other);
});
