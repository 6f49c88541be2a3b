import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, KleidiError } from "../error.ts";
import { associatedData, parseKeyId } from "./key-id.ts";
import type { KeyVersion } from "./keyset.ts";
import type { DecryptRequest, EncryptRequest, Provider, Sealed } from "./provider.ts";
import { open, seal } from "./seal.ts";

const PLAINTEXT = Uint8Array.from({ length: 32 }, (_, i) => i);
const KEY_ID = parseKeyId("k1.test");
const flip = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0x5a);

function target(overrides: Partial<Provider> = {}): KeyVersion {
  const provider: Provider = {
    name: "vault",
    status: () => Promise.reject(new Error("seal asks for no status")),
    encrypt: async ({ plaintext }) => ({ ciphertext: flip(plaintext), annotations: [] }),
    decrypt: async ({ ciphertext }) => flip(ciphertext),
    ...overrides,
  };
  return { key: { name: "main", provider, use: "active" }, version: "7", keyId: KEY_ID };
}

test("seal gives what the provider encrypted", async () => {
  assert.deepEqual(await seal(target(), PLAINTEXT), { ciphertext: flip(PLAINTEXT), annotations: [] });
});

test("seal names key, version and associated data to Encrypt", async () => {
  let seen: EncryptRequest | undefined;
  const encrypt = async (request: EncryptRequest) => {
    seen = request;
    return { ciphertext: flip(request.plaintext), annotations: [] };
  };
  await seal(target({ encrypt }), PLAINTEXT);
  assert.deepEqual(seen, {
    key: "main",
    version: "7",
    plaintext: PLAINTEXT,
    associatedData: associatedData("vault", KEY_ID),
  });
});

test("seal reads back with the same key, version, associated data and annotations", async () => {
  let seen: DecryptRequest | undefined;
  const annotations = [{ name: "a.example", value: Uint8Array.of(1) }];
  const encrypt = async () => ({ ciphertext: flip(PLAINTEXT), annotations });
  const decrypt = async (request: DecryptRequest) => {
    seen = request;
    return PLAINTEXT;
  };
  await seal(target({ encrypt, decrypt }), PLAINTEXT);
  assert.deepEqual(seen, {
    key: "main",
    version: "7",
    ciphertext: flip(PLAINTEXT),
    annotations,
    associatedData: associatedData("vault", KEY_ID),
  });
});

test("seal refuses what reads back as other bytes", async () => {
  const decrypt = async () => Uint8Array.from(PLAINTEXT).fill(9, 31);
  await assert.rejects(seal(target({ decrypt }), PLAINTEXT), {
    code: "read-back-failed",
    message: 'Cannot encrypt: provider "vault" decrypts what it just encrypted to something else',
  });
});

test("seal refuses what reads back as a part of the plaintext", async () => {
  const decrypt = async () => PLAINTEXT.slice(0, 31);
  await assert.rejects(seal(target({ decrypt }), PLAINTEXT), { code: "read-back-failed" });
});

for (const code of ["ciphertext-invalid", "provider-fault"] as const) {
  test(`seal maps ${code} of the read-back to read-back-failed`, async () => {
    const cause = new KleidiError(code, "Cannot decrypt: no");
    const decrypt = () => Promise.reject(cause);
    await assert.rejects(seal(target({ decrypt }), PLAINTEXT), {
      code: "read-back-failed",
      message: 'Cannot encrypt: provider "vault" cannot decrypt what it just encrypted',
      cause,
    });
  });
}

test("seal maps an empty read-back to read-back-failed", async () => {
  const decrypt = async () => new Uint8Array();
  await assert.rejects(seal(target({ decrypt }), PLAINTEXT), {
    code: "read-back-failed",
    message: 'Cannot encrypt: provider "vault" cannot decrypt what it just encrypted',
  });
});

const HANDED_ON: ErrorCode[] = [
  "backend-unreachable",
  "provider-unavailable",
  "credential-refused",
  "key-not-ready",
  "deadline",
  "overloaded",
  "capability-denied",
  "stopping",
];
for (const code of HANDED_ON) {
  test(`seal hands ${code} of the read-back on`, async () => {
    const failure = new KleidiError(code, "Cannot decrypt: later");
    const decrypt = () => Promise.reject(failure);
    await assert.rejects(seal(target({ decrypt }), PLAINTEXT), failure);
  });
}

test("seal calls an unexpected failure of the read-back a fault of the host", async () => {
  const decrypt = () => Promise.reject(new TypeError("secret"));
  await assert.rejects(seal(target({ decrypt }), PLAINTEXT), {
    code: "host-fault",
    message: "Cannot decrypt what was just encrypted: an unexpected failure in the host",
  });
});

test("seal hands a failure of Encrypt on without reading back", async () => {
  const calls: string[] = [];
  const failure = new KleidiError("ciphertext-invalid", "Cannot encrypt: odd");
  const encrypt = () => Promise.reject(failure);
  const decrypt = async () => {
    calls.push("decrypt");
    return PLAINTEXT;
  };
  await assert.rejects(seal(target({ encrypt, decrypt }), PLAINTEXT), failure);
  assert.deepEqual(calls, []);
});

const BAD_REPLIES: [string, Sealed, string][] = [
  ["an empty ciphertext", { ciphertext: new Uint8Array(), annotations: [] }, "its ciphertext is empty"],
  [
    "the plaintext as ciphertext",
    { ciphertext: PLAINTEXT, annotations: [] },
    "the plaintext stands in what it would store",
  ],
];
for (const [what, reply, said] of BAD_REPLIES) {
  test(`seal refuses ${what} before it reads back`, async () => {
    const decrypt = () => Promise.reject(new Error("read back"));
    await assert.rejects(seal(target({ encrypt: async () => reply, decrypt }), PLAINTEXT), {
      code: "provider-fault",
      message: `Cannot accept the reply of provider "vault": ${said}`,
    });
  });
}

test("open gives the plaintext", async () => {
  assert.deepEqual(await open(target(), { ciphertext: flip(PLAINTEXT), annotations: [] }), PLAINTEXT);
});

test("open refuses a plaintext of 513 bytes", async () => {
  const decrypt = async () => new Uint8Array(513);
  await assert.rejects(open(target({ decrypt }), { ciphertext: PLAINTEXT, annotations: [] }), {
    code: "provider-fault",
    message:
      'Cannot accept the reply of provider "vault": its plaintext is 513 bytes, at most 512 are allowed',
  });
});

test("open gives the provider nothing of the sealed object but ciphertext and annotations", async () => {
  let seen: DecryptRequest | undefined;
  const decrypt = async (request: DecryptRequest) => {
    seen = request;
    return PLAINTEXT;
  };
  const sealed = { ciphertext: PLAINTEXT, annotations: [], key: "other", version: "other" };
  await open(target({ decrypt }), sealed);
  assert.deepEqual([seen?.key, seen?.version], ["main", "7"]);
});
