/** The vectors of docs/formats.md: the host makes exactly these bytes, and reads them; so does a decoder that was written from the page alone. */
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KleidiError } from "../../host/error.ts";
import { objectOf, openComposed, readComposed } from "../../host/kms/composed-open.ts";
import { sealComposed } from "../../host/kms/composed-seal.ts";
import { associatedData, deriveKeyId, type KeyId, memberData } from "../../host/kms/key-id.ts";
import { type ComposedKey, Keyset, type SimpleKey } from "../../host/kms/keyset.ts";
import type { DecryptRequest, EncryptRequest, Provider } from "../../host/kms/provider.ts";
import { root } from "../support/fixture.ts";
import { decodeObject, keyIdOf, type StoredObject, simpleData } from "./decoder.ts";

interface Vectors {
  readonly keyIds: readonly { key: string; version: string; keyId: string }[];
  readonly associatedData: readonly { provider: string; keyId: string; composed?: string; hex: string }[];
  readonly objects: readonly ObjectVector[];
}
interface ObjectVector {
  readonly name: string;
  readonly key: string;
  readonly mode: "anyOf" | "allOf";
  readonly members: readonly {
    key: string;
    provider: string;
    version: string;
    memberKey: string;
    memberNonce: string;
  }[];
  readonly seed: string;
  readonly shares: readonly string[];
  readonly nonce: string;
  /** The result. */
  keyId: string;
  ciphertext: string;
  annotations: Record<string, string>;
}

const FILE = join(root, "docs", "formats.json");
const VECTORS: Vectors = JSON.parse(readFileSync(FILE, "utf8"));
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (all: Uint8Array) => Buffer.from(all).toString("hex");

/** The provider of the vectors: a fixed key and nonce. */
class VectorProvider implements Provider {
  readonly name: string;
  readonly #key: Uint8Array;
  readonly #nonce: Uint8Array;

  constructor(name: string, key: string, nonce: string) {
    this.name = name;
    this.#key = bytes(key);
    this.#nonce = bytes(nonce);
  }

  async status(): Promise<never> {
    throw new Error("the test has the version");
  }

  async encrypt({ plaintext, associatedData }: EncryptRequest) {
    const cipher = createCipheriv("aes-256-gcm", this.#key, this.#nonce).setAAD(associatedData);
    const sealed = Buffer.concat([
      this.#nonce,
      cipher.update(plaintext),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return {
      ciphertext: Uint8Array.from(sealed),
      annotations: [{ name: "by.example.com", value: Uint8Array.of(1, 2) }],
    };
  }

  async decrypt({ ciphertext, associatedData }: DecryptRequest) {
    const share = openAead(this.#key, Buffer.from(ciphertext), Buffer.from(associatedData));
    if (share === undefined) throw new KleidiError("ciphertext-invalid/refused", "Cannot decrypt: refused");
    return Uint8Array.from(share);
  }
}

function openAead(key: Uint8Array, ciphertext: Buffer, data: Buffer): Buffer | undefined {
  const cipher = createDecipheriv("aes-256-gcm", key, ciphertext.subarray(0, 12))
    .setAAD(data)
    .setAuthTag(ciphertext.subarray(-16));
  try {
    return Buffer.concat([cipher.update(ciphertext.subarray(12, -16)), cipher.final()]);
  } catch {
    return undefined;
  }
}

async function keysetOf({ key, mode, members }: ObjectVector) {
  const simple = members.map(
    ({ key: name, provider, memberKey, memberNonce }): SimpleKey => ({
      name,
      provider: new VectorProvider(provider, memberKey, memberNonce),
      use: "member",
    }),
  );
  const composed: ComposedKey = { name: key, mode, members: simple, use: "active" };
  const keyset = new Keyset([...simple, composed]);
  const versions = await Promise.all(
    simple.map((each, i) =>
      keyset.addVersions(each, { version: members[i]?.version ?? "", olderVersions: [] }),
    ),
  );
  return { keyset, composed, target: await keyset.compose(composed, versions) };
}

const perform = <T>(_: unknown, work: () => Promise<T>) => work();

function storedOf({ keyId, ciphertext, annotations }: ObjectVector): StoredObject {
  return {
    keyId,
    ciphertext: Buffer.from(ciphertext, "hex"),
    annotations: Object.fromEntries(
      Object.entries(annotations).map(([name, value]) => [name, Buffer.from(value, "hex")]),
    ),
  };
}

/** The independent reader of a vector; `lost`: keys of members that are not there. */
function decode(vector: ObjectVector, lost: readonly string[] = [], stored = storedOf(vector)): Buffer {
  return decodeObject(vector.key, stored, (keyId, ciphertext, annotations, dataOf) => {
    const member = vector.members.find(({ key, version }) => keyIdOf(key, version) === keyId);
    assert.deepEqual(annotations, [["by.example.com", Buffer.of(1, 2)]]);
    if (member === undefined || lost.includes(member.key)) return undefined;
    return openAead(bytes(member.memberKey), ciphertext, dataOf(member.provider));
  });
}

test("the key_ids of the vectors", async () => {
  for (const { key, version, keyId } of VECTORS.keyIds) {
    assert.equal(await deriveKeyId(key, version), keyId);
    assert.equal(keyIdOf(key, version), keyId);
  }
});

test("the associated data of the vectors", () => {
  for (const { provider, keyId, composed, hex: expected } of VECTORS.associatedData) {
    const data =
      composed === undefined
        ? associatedData(provider, keyId as KeyId)
        : memberData(provider, keyId as KeyId, composed);
    assert.equal(hex(data), expected);
    if (composed === undefined) assert.equal(hex(simpleData(provider, keyId)), expected);
  }
});

for (const vector of VECTORS.objects) {
  test(`the host makes the bytes of vector ${vector.name}`, async () => {
    const { target } = await keysetOf(vector);
    const random = [...vector.shares, vector.nonce].map(bytes);
    const sealed = await sealComposed(
      target,
      bytes(vector.seed),
      perform,
      () => random.shift() ?? assert.fail("too many"),
    );
    const made = {
      keyId: target.keyId,
      ciphertext: hex(sealed.ciphertext),
      annotations: Object.fromEntries(
        Object.entries(sealed.annotations).map(([name, value]) => [name, hex(value)]),
      ),
    };
    if (process.env.KLEIDI_WRITE_VECTORS === "1") Object.assign(vector, made);
    const { keyId, ciphertext, annotations } = vector;
    assert.deepEqual(made, { keyId, ciphertext, annotations });
  });

  test(`the host and the independent decoder read vector ${vector.name}`, async () => {
    const { keyset, composed } = await keysetOf(vector);
    const { keyId, ciphertext, annotations } = storedOf(vector);
    const content = readComposed(ciphertext);
    assert.equal((await keyset.composedWith(keyId as KeyId, content.header)).name, vector.key);
    const object = objectOf(composed, keyId as KeyId, content, annotations);
    const options = {
      perform,
      route: (id: KeyId) => keyset.decryptWith(id),
      rank: () => 0,
      patienceMs: () => 60_000,
    };
    assert.equal(hex(await openComposed(object, options)), vector.seed);
    assert.equal(decode(vector).toString("hex"), vector.seed);
  });

  test(`the independent decoder reads vector ${vector.name} as its mode says`, () => {
    for (const { key } of vector.members)
      if (vector.mode === "allOf") assert.throws(() => decode(vector, [key]), /no share/);
      else if (vector.members.length > 1) assert.equal(decode(vector, [key]).toString("hex"), vector.seed);
    assert.throws(
      () =>
        decode(
          vector,
          vector.members.map(({ key }) => key),
        ),
      /no share/,
    );
    const stored = storedOf(vector);
    stored.ciphertext[stored.ciphertext.length - 1] = (stored.ciphertext.at(-1) ?? 0) ^ 1;
    assert.throws(() => decode(vector, [], stored), /no share/);
  });
}

test("the vectors have each mode, and each number of members", () => {
  const kinds = VECTORS.objects.map(({ mode, members }) => `${mode} ${members.length}`);
  assert.deepEqual([...new Set(kinds)].sort(), ["allOf 2", "allOf 4", "anyOf 1", "anyOf 2", "anyOf 3"]);
  if (process.env.KLEIDI_WRITE_VECTORS === "1") writeFileSync(FILE, `${JSON.stringify(VECTORS, null, 2)}\n`);
});
