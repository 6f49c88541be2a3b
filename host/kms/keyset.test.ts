import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFailure } from "../../test/support/failures.ts";
import { KleidiError } from "../error.ts";
import { deriveKeyId, parseKeyId } from "./key-id.ts";
import { Keyset, type SimpleKey } from "./keyset.ts";
import type { Provider } from "./provider.ts";

const unused = () => Promise.reject(new Error("the keyset does not call the provider"));
const provider: Provider = { name: "vault", status: unused, encrypt: unused, decrypt: unused };
const reported = (version: string, ...olderVersions: string[]) => ({ version, olderVersions });
const offline = new KleidiError("backend-unreachable/connection", "Cannot status: offline");

function keyConfig(name: string, use: "active" | "decrypt" = "active", pin?: string): SimpleKey {
  return { name, provider, use, pin };
}

async function activate(keyset: Keyset, key: SimpleKey, version: string, ...older: string[]) {
  const current = await keyset.addVersions(key, reported(version, ...older));
  keyset.markGood(current);
  return current;
}

test("active returns the active key at any position", () => {
  const active = keyConfig("b");
  assert.equal(new Keyset([keyConfig("a", "decrypt"), active]).active.key, active);
});

test("active throws host-fault without an active key", async (t) => {
  await assertFailure(t, "host-fault", () => new Keyset([keyConfig("a", "decrypt")]).active);
});

test("encryptWith fails before the first probe has ended", async (t) => {
  await assertFailure(t, "key-not-ready", () => new Keyset([keyConfig("main")]).encryptWith());
});

test("encryptWith returns the version that was marked good", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const current = await activate(keyset, key, "1");
  assert.equal(keyset.encryptWith(), current);
});

test("encryptWith never returns a decrypt-only key", async () => {
  const old = keyConfig("old", "decrypt");
  const keyset = new Keyset([old, keyConfig("main")]);
  await activate(keyset, old, "1");
  assert.throws(() => keyset.encryptWith(), { code: "key-not-ready" });
});

test("encryptWith does not return a version before it is marked good", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await keyset.addVersions(key, reported("1"));
  assert.throws(() => keyset.encryptWith(), { code: "key-not-ready" });
});

test("encryptWith throws the failure of the last probe", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await activate(keyset, key, "1");
  keyset.markFailed(key, offline);
  assert.throws(() => keyset.encryptWith(), offline);
});

test("encryptWith recovers once the key is marked good again", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const current = await activate(keyset, key, "1");
  keyset.markFailed(key, offline);
  keyset.markGood(current);
  assert.equal(keyset.encryptWith(), current);
});

test("addVersions derives the key_id from key name and version", async () => {
  const key = keyConfig("main");
  assert.deepEqual(await new Keyset([key]).addVersions(key, reported("7")), {
    key,
    version: "7",
    keyId: await deriveKeyId("main", "7"),
  });
});

test("decryptWith routes each key_id to the key that has it", async () => {
  const keys = [keyConfig("main"), keyConfig("old", "decrypt")];
  const keyset = new Keyset(keys);
  const versions = await Promise.all(keys.map((key) => activate(keyset, key, "1")));
  assert.deepEqual(
    versions.map(({ keyId }) => keyset.decryptWith(keyId)),
    versions,
  );
});

test("decryptWith routes older versions with their own version and key_id", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await activate(keyset, key, "3", "1", "2");
  const keyId = await deriveKeyId("main", "2");
  assert.deepEqual(keyset.decryptWith(keyId), { key, version: "2", keyId });
});

test("decryptWith still routes a version that the provider no longer reports", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const first = await activate(keyset, key, "1");
  await activate(keyset, key, "2");
  assert.equal(keyset.decryptWith(first.keyId).version, "1");
});

test("decryptWith routes to a key whose last probe failed", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const current = await activate(keyset, key, "1");
  keyset.markFailed(key, offline);
  assert.equal(keyset.decryptWith(current.keyId), current);
});

test("decryptWith refuses a key_id that no key has", async (t) => {
  const keys = [keyConfig("main"), keyConfig("old", "decrypt")];
  const keyset = new Keyset(keys);
  for (const key of keys) await activate(keyset, key, "1");
  await assertFailure(t, "key-unknown", () => keyset.decryptWith(parseKeyId("k1.other")));
});

test("decryptWith does not report a key_id as unknown while a key has not answered yet", async (t) => {
  const keys = [keyConfig("main"), keyConfig("old", "decrypt"), keyConfig("older", "decrypt")];
  const keyset = new Keyset(keys);
  await activate(keyset, keys[0] as SimpleKey, "1");
  keyset.markFailed(keys[1] as SimpleKey, offline);
  await assertFailure(t, "key-not-ready", () => keyset.decryptWith(parseKeyId("k1.other")));
});

test("decryptWith serves a ready key while another one has not answered yet", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key, keyConfig("old", "decrypt")]);
  const current = await activate(keyset, key, "1");
  assert.equal(keyset.decryptWith(current.keyId), current);
});

test("addVersions accepts the pinned version", async () => {
  const key = keyConfig("main", "active", "1");
  assert.equal((await new Keyset([key]).addVersions(key, reported("1"))).version, "1");
});

test("addVersions refuses a version that is not the pinned one", async (t) => {
  const key = keyConfig("main", "active", "1");
  await assertFailure(t, "key-not-ready", () => new Keyset([key]).addVersions(key, reported("2", "1")));
});

test("addVersions adds no route to a version that is not the pinned one", async () => {
  const key = keyConfig("main", "active", "1");
  const keyset = new Keyset([key]);
  await keyset.addVersions(key, reported("2")).catch(() => {});
  const keyId = await deriveKeyId("main", "2");
  assert.throws(() => keyset.decryptWith(keyId), { code: "key-not-ready" });
});

test("addVersions refuses to revert to the previous version", async (t) => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await activate(keyset, key, "1");
  await activate(keyset, key, "2");
  await assertFailure(t, "provider-fault", () => keyset.addVersions(key, reported("1")));
});

test("addVersions refuses to revert over several versions", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  for (const version of ["1", "2", "3"]) await activate(keyset, key, version);
  await assert.rejects(keyset.addVersions(key, reported("1")), {
    message: 'Cannot use key "main": provider "vault" reverted from version 3 to 1',
  });
});

test("addVersions accepts the current version after a refused revert", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await activate(keyset, key, "1");
  await activate(keyset, key, "2");
  await keyset.addVersions(key, reported("1")).catch(() => {});
  assert.equal((await keyset.addVersions(key, reported("2", "1"))).version, "2");
});

test("addVersions accepts the previous version if the newer one never worked", async () => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  await activate(keyset, key, "1");
  // Version 2 was reported but never worked: no object was written with it.
  await keyset.addVersions(key, reported("2"));
  keyset.markFailed(key, offline);
  assert.equal((await keyset.addVersions(key, reported("1"))).version, "1");
});

test("addVersions treats the same version of two keys as different ones", async () => {
  const keys = [keyConfig("a"), keyConfig("b", "decrypt")] as const;
  const keyset = new Keyset(keys);
  await activate(keyset, keys[0], "1");
  await activate(keyset, keys[0], "2");
  assert.equal((await keyset.addVersions(keys[1], reported("1"))).version, "1");
});

test("states lists the keys in the order of the configuration", async () => {
  const keys = [keyConfig("a", "decrypt"), keyConfig("b"), keyConfig("c", "decrypt")] as const;
  const keyset = new Keyset(keys);
  const current = await activate(keyset, keys[0], "1");
  keyset.markFailed(keys[2], offline);
  assert.deepEqual(keyset.states(), [
    { key: keys[0], current },
    { key: keys[1] },
    { key: keys[2], failure: offline },
  ]);
});

test("a provider can report 1024 versions, repeatedly, but no further one", async (t) => {
  const key = keyConfig("main");
  const keyset = new Keyset([key]);
  const versions = Array.from({ length: 1024 }, (_, i) => `v${i}`);
  await activate(keyset, key, "v0", ...versions.slice(1, 1023));
  await activate(keyset, key, "v0", ...versions.slice(1));
  await activate(keyset, key, "v0", ...versions.slice(1));
  await assertFailure(t, "provider-fault", () => keyset.addVersions(key, reported("v0", "v1", "another")));
});

test("versions of another key of the same provider do not count", async () => {
  const [key, other] = [keyConfig("main"), keyConfig("other", "decrypt")];
  const keyset = new Keyset([key, other]);
  const versions = Array.from({ length: 1023 }, (_, i) => `v${i}`);
  await activate(keyset, key, "a", ...versions);
  assert.equal((await activate(keyset, other, "a", ...versions)).key, other);
});

test("keyIds returns the key_ids of the key alone, the current one first", async () => {
  const [key, other] = [keyConfig("main"), keyConfig("other", "decrypt")];
  const keyset = new Keyset([key, other]);
  assert.deepEqual(keyset.keyIds(key), []);
  await activate(keyset, other, "9");
  await activate(keyset, key, "2", "1");
  await activate(keyset, key, "3");
  const ids = await Promise.all(["3", "2", "1"].map((version) => deriveKeyId("main", version)));
  assert.deepEqual(keyset.keyIds(key), ids);
});
