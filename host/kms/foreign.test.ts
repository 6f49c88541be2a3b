/** A foreign key in the keyset: its routes are the other plugin's key_ids, and nothing of kleidí's own goes through them. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { assertFailure } from "../../test/support/failures.ts";
import type { KeyConfig } from "./keyset.ts";
import { Keyset, type SimpleKey } from "./keyset.ts";
import { Prober } from "./prober.ts";
import type { DecryptRequest, EncryptRequest, KeyVersions, Provider, Sealed } from "./provider.ts";
import { KmsService } from "./service.ts";

const PLAINTEXT = new Uint8Array(32).fill(7);
const CIPHERTEXT = new TextEncoder().encode("vault:v2:AAAA");
const FORMAT = { "format.kleidi.dev": Uint8Array.of(0x31) };

class FakeProvider implements Provider {
  readonly name = "vault";
  readonly decrypted: DecryptRequest[] = [];
  foreignKeyIds: readonly string[] = ["2", "1"];
  plaintext = PLAINTEXT;
  #encrypted: Uint8Array = PLAINTEXT;

  async status(key: string): Promise<KeyVersions> {
    const own = { version: "2.9.abc", olderVersions: ["1.8.abc"] };
    return key === "old" ? { ...own, foreignKeyIds: this.foreignKeyIds } : own;
  }

  /** The probe encrypts with the key of kleidí, and reads back. */
  async encrypt({ plaintext }: EncryptRequest): Promise<Sealed> {
    this.#encrypted = plaintext;
    return { ciphertext: CIPHERTEXT, annotations: [] };
  }

  async decrypt(request: DecryptRequest): Promise<Uint8Array> {
    this.decrypted.push(request);
    return request.key === "old" ? this.plaintext : this.#encrypted;
  }
}

async function setUp(t: TestContext, change: (provider: FakeProvider) => void = () => {}) {
  const provider = new FakeProvider();
  change(provider);
  const old: KeyConfig = { name: "old", provider, use: "decrypt", foreign: "vault-kubernetes-kms" };
  const keyset = new Keyset([{ name: "main", provider, use: "active" }, old]);
  const prober = new Prober(keyset, { intervalMs: 60_000, onChange: () => {} });
  t.after(() => prober.stop());
  await prober.start();
  provider.decrypted.length = 0;
  return { provider, keyset, old, service: new KmsService(keyset, prober) };
}

for (const keyId of ["1", "2"])
  test(`an object of the key_id ${keyId} is decrypted without associated data and annotations`, async (t) => {
    const { service, provider } = await setUp(t);
    assert.deepEqual(await service.decrypt({ ciphertext: CIPHERTEXT, keyId, annotations: {} }), PLAINTEXT);
    assert.deepEqual(provider.decrypted, [
      {
        key: "old",
        version: "2.9.abc",
        ciphertext: CIPHERTEXT,
        associatedData: new Uint8Array(0),
        annotations: [],
      },
    ]);
  });

test("the keys of kleidí keep their key_ids, and a foreign key has none of them", async (t) => {
  const { keyset, old } = await setUp(t);
  assert.deepEqual(keyset.keyIds(old), ["2", "1"]);
  assert.match(keyset.encryptWith().keyId, /^k1\./);
});

test("a key_id that the provider did not report is unknown", async (t) => {
  const { service, provider } = await setUp(t);
  const object = { ciphertext: CIPHERTEXT, keyId: "3", annotations: {} };
  await assertFailure(t, "key-unknown", () => service.decrypt(object));
  assert.equal(provider.decrypted.length, 0);
});

test("an object with an annotation of kleidí, or of anybody, is unknown under a foreign key_id", async (t) => {
  const { service, provider } = await setUp(t);
  for (const annotations of [FORMAT, { "a.example": new Uint8Array(0) }])
    await assertFailure(t, "key-unknown", () =>
      service.decrypt({ ciphertext: CIPHERTEXT, keyId: "1", annotations }),
    );
  assert.equal(provider.decrypted.length, 0);
});

test("a foreign object under a key_id of kleidí has not its annotation", async (t) => {
  const { service, provider, keyset } = await setUp(t);
  const object = { ciphertext: CIPHERTEXT, keyId: keyset.encryptWith().keyId, annotations: {} };
  await assertFailure(t, "annotations-invalid", () => service.decrypt(object));
  assert.equal(provider.decrypted.length, 0);
});

for (const length of [0, 513])
  test(`a foreign plaintext of ${length} bytes is refused`, async (t) => {
    const { service } = await setUp(t, (provider) => {
      provider.plaintext = new Uint8Array(length);
    });
    const object = { ciphertext: CIPHERTEXT, keyId: "1", annotations: {} };
    await assertFailure(t, "provider-fault", () => service.decrypt(object));
  });

for (const length of [0, 1024])
  test(`a foreign ciphertext of ${length} bytes is refused`, async (t) => {
    const { service, provider } = await setUp(t);
    const object = { ciphertext: new Uint8Array(length), keyId: "1", annotations: {} };
    await assertFailure(t, "ciphertext-invalid", () => service.decrypt(object));
    assert.equal(provider.decrypted.length, 0);
  });

const BAD: readonly [string, readonly string[], "key-not-ready" | "provider-fault"][] = [
  ["no key_id, as a module does that does not know the format", [], "key-not-ready"],
  ["a key_id of kleidí", ["k1.CYOBsC7GZNTxtwQ6jFL0PSaqmPA9G7NENCUCGzsbrFU"], "provider-fault"],
  ["a key_id of another format", ["2", "kleidi-kms-plugin_1_2"], "provider-fault"],
  ["a key_id twice", ["2", "2"], "provider-fault"],
  ["258 key_ids", Array.from({ length: 258 }, (_, i) => `${i + 1}`), "provider-fault"],
];
for (const [what, reported, code] of BAD)
  test(`a provider that reports ${what} fails the foreign key, and no other one`, async (t) => {
    const { keyset } = await setUp(t, (provider) => {
      provider.foreignKeyIds = reported;
    });
    const state = keyset.states().find(({ key }) => key.name === "old");
    await assertFailure(t, code, () => {
      throw state?.failure;
    });
    assert.equal(keyset.hasKeyId("2" as never), false);
    assert.equal(keyset.active.failure, undefined);
  });

test("a provider that reports foreign key_ids for a key of kleidí changes nothing", async (t) => {
  const { keyset } = await setUp(t);
  const { key } = keyset.active as { key: SimpleKey };
  await keyset.addVersions(key, { version: "3", olderVersions: [], foreignKeyIds: ["9"] });
  assert.equal(keyset.hasKeyId("9" as never), false);
});
