import assert from "node:assert/strict";
import { test } from "node:test";
import { failureOf, messagesOf } from "../../test/support/failures.ts";
import { type FaultName, KleidiError } from "../error.ts";
import { associatedData, parseKeyId } from "./key-id.ts";
import type { SimpleVersion } from "./keyset.ts";
import type { DecryptRequest, EncryptRequest, Provider, Sealed } from "./provider.ts";
import { open, seal } from "./seal.ts";

const PLAINTEXT = Uint8Array.from({ length: 32 }, (_, i) => i);
const KEY_ID = parseKeyId("k1.test");
const flip = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0x5a);

function target(overrides: Partial<Provider> = {}): SimpleVersion {
  const provider: Provider = {
    name: "vault",
    status: () => Promise.reject(new Error("seal does not call status")),
    encrypt: async ({ plaintext }) => ({ ciphertext: flip(plaintext), annotations: [] }),
    decrypt: async ({ ciphertext }) => flip(ciphertext),
    ...overrides,
  };
  return { key: { name: "main", provider, use: "active" }, version: "7", keyId: KEY_ID };
}

test("seal returns the provider's reply", async () => {
  assert.deepEqual(await seal(target(), PLAINTEXT), { ciphertext: flip(PLAINTEXT), annotations: [] });
});

test("seal passes key, version and associated data to Encrypt", async () => {
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

test("seal refuses a ciphertext that reads back as other bytes", async (t) => {
  const decrypt = async () => Uint8Array.from(PLAINTEXT).fill(9, 31);
  const { code, message } = await failureOf(() => seal(target({ decrypt }), PLAINTEXT));
  assert.equal(code, "read-back-failed");
  t.assert.snapshot(message);
});

test("seal refuses a ciphertext that reads back as a part of the plaintext", async () => {
  const decrypt = async () => PLAINTEXT.slice(0, 31);
  await assert.rejects(seal(target({ decrypt }), PLAINTEXT), { code: "read-back-failed" });
});

for (const fault of ["ciphertext-invalid/refused", "provider-fault/reply"] as const) {
  const [code] = fault.split("/");
  test(`seal maps ${code} of the read-back to read-back-failed`, async (t) => {
    const cause = new KleidiError(fault, "Cannot decrypt: no");
    const decrypt = () => Promise.reject(cause);
    const failure = await failureOf(() => seal(target({ decrypt }), PLAINTEXT));
    assert.equal(failure.code, "read-back-failed");
    assert.equal(failure.cause, cause);
    t.assert.snapshot(failure.message);
  });
}

test("seal maps an empty read-back to read-back-failed", async (t) => {
  const decrypt = async () => new Uint8Array();
  const { code, message } = await failureOf(() => seal(target({ decrypt }), PLAINTEXT));
  assert.equal(code, "read-back-failed");
  t.assert.snapshot(message);
});

const PASSED_ON: FaultName[] = [
  "backend-unreachable/connection",
  "provider-unavailable",
  "credential-refused/login",
  "key-not-ready/refused",
  "deadline/waiting",
  "overloaded/full",
  "capability-denied",
  "stopping",
];
for (const fault of PASSED_ON) {
  test(`seal passes on ${fault} of the read-back`, async () => {
    const failure = new KleidiError(fault, "Cannot decrypt: later");
    const decrypt = () => Promise.reject(failure);
    await assert.rejects(seal(target({ decrypt }), PLAINTEXT), failure);
  });
}

test("seal reports an unexpected failure of the read-back as host-fault", async () => {
  const decrypt = () => Promise.reject(new TypeError("secret"));
  await assert.rejects(seal(target({ decrypt }), PLAINTEXT), {
    code: "host-fault",
    message: "Cannot decrypt the new ciphertext: an unexpected failure in the host",
  });
});

test("seal passes on a failure of Encrypt without reading back", async () => {
  const calls: string[] = [];
  const failure = new KleidiError("ciphertext-invalid/refused", "Cannot encrypt: odd");
  const encrypt = () => Promise.reject(failure);
  const decrypt = async () => {
    calls.push("decrypt");
    return PLAINTEXT;
  };
  await assert.rejects(seal(target({ encrypt, decrypt }), PLAINTEXT), failure);
  assert.deepEqual(calls, []);
});

const BAD_REPLIES: [string, Sealed][] = [
  ["an empty ciphertext", { ciphertext: new Uint8Array(), annotations: [] }],
  ["the plaintext as ciphertext", { ciphertext: PLAINTEXT, annotations: [] }],
];
function sealReply(reply: Sealed): Promise<Sealed> {
  const decrypt = () => Promise.reject(new Error("read back"));
  return seal(target({ encrypt: async () => reply, decrypt }), PLAINTEXT);
}
for (const [what, reply] of BAD_REPLIES) {
  test(`seal refuses ${what} before it reads back`, async () => {
    await assert.rejects(sealReply(reply), { code: "provider-fault" });
  });
}

test("seal names the fault of the reply", async (t) => {
  t.assert.snapshot(await messagesOf(BAD_REPLIES.map(([what, reply]) => [what, () => sealReply(reply)])));
});

test("open returns the plaintext", async () => {
  assert.deepEqual(await open(target(), { ciphertext: flip(PLAINTEXT), annotations: [] }), PLAINTEXT);
});

test("open refuses a plaintext of 513 bytes", async (t) => {
  const decrypt = async () => new Uint8Array(513);
  const sealed = { ciphertext: PLAINTEXT, annotations: [] };
  const { code, message } = await failureOf(() => open(target({ decrypt }), sealed));
  assert.equal(code, "provider-fault");
  t.assert.snapshot(message);
});

test("open passes only ciphertext and annotations of the sealed object to the provider", async () => {
  let seen: DecryptRequest | undefined;
  const decrypt = async (request: DecryptRequest) => {
    seen = request;
    return PLAINTEXT;
  };
  const sealed = { ciphertext: PLAINTEXT, annotations: [], key: "other", version: "other" };
  await open(target({ decrypt }), sealed);
  assert.deepEqual([seen?.key, seen?.version], ["main", "7"]);
});
