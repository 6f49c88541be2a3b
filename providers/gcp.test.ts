/** The gcp provider alone: its requests, the answers that it accepts, and the failure with its remedy for each refusal of KMS. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import type { NetRequest } from "../proto/provider/v1/provider_pb.ts";
import { crc32c } from "../test/support/crc32c.ts";
import { failureOf, Guest, type Server, unasked } from "./vault/harness/guest.ts";

const guest = await Guest.load("gcp");
const KEY = "projects/kleidi-test/locations/europe-west3/keyRings/clusters/cryptoKeys/kek";
const HASH = createHash("sha256").update(KEY).digest("hex").slice(0, 16);
const SEED = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);
const SEALED = new Uint8Array(113).fill(9);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const crc = (bytes: Uint8Array) => String(crc32c(bytes));

const answer = (status: number, body: unknown, type = "application/json; charset=UTF-8") => ({
  status,
  headers: [{ name: "content-type", value: type }],
  body: typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
});
const refusal = (code: number, status: string, message = "", reason?: string) =>
  answer(code, {
    error: { code, message, status, ...(reason === undefined ? {} : { details: [{ a: 1 }, { reason }] }) },
  });

const settings = (key?: string) => (key === undefined ? [] : [{ name: "key", value: key }]);
const status = (server: Server, key: string | undefined = KEY) =>
  guest.status({ key: "kek", settings: settings(key) }, server);
const encrypt = (server: Server, version = `3.${HASH}`, key: string | undefined = KEY) =>
  guest.encrypt(
    { key: "kek", version, plaintext: SEED, associatedData: AAD, settings: settings(key) },
    server,
  );
const decrypt = (server: Server, version = `3.${HASH}`, key: string | undefined = KEY) =>
  guest.decrypt(
    { key: "kek", version, ciphertext: SEALED, associatedData: AAD, settings: settings(key) },
    server,
  );
const DESCRIBED = {
  name: KEY,
  purpose: "ENCRYPT_DECRYPT",
  primary: { name: `${KEY}/cryptoKeyVersions/3`, state: "ENABLED", algorithm: "GOOGLE_SYMMETRIC_ENCRYPTION" },
};
const ENCRYPTED = {
  name: `${KEY}/cryptoKeyVersions/3`,
  ciphertext: base64(SEALED),
  ciphertextCrc32c: crc(SEALED),
  verifiedPlaintextCrc32c: true,
  verifiedAdditionalAuthenticatedDataCrc32c: true,
};
const DECRYPTED = { plaintext: base64(SEED), plaintextCrc32c: crc(SEED), usedPrimary: true };
const described = (changes: object) => status(() => answer(200, { ...DESCRIBED, ...changes }));
const encrypted = (changes: object) => encrypt(() => answer(200, { ...ENCRYPTED, ...changes }));
const decrypted = (changes: object) => decrypt(() => answer(200, { ...DECRYPTED, ...changes }));

function recorder(reply: object) {
  const requests: NetRequest[] = [];
  const server: Server = (request) => {
    requests.push(request);
    return answer(200, reply);
  };
  const sent = () => {
    const [request] = requests;
    const body = Buffer.from(request?.body ?? []).toString();
    return [
      `${request?.method} ${request?.path}`,
      request?.headers.map(({ name, value }) => `${name}: ${value}`),
      body === "" ? undefined : JSON.parse(body),
    ];
  };
  return { server, sent };
}

describe("requests", () => {
  test("Status reads the key, and names the primary version and those below", () => {
    const { server, sent } = recorder(DESCRIBED);
    const { version, olderVersions } = status(server);
    assert.deepEqual([version, ...olderVersions], [`3.${HASH}`, `2.${HASH}`, `1.${HASH}`]);
    assert.deepEqual(sent(), [`GET /v1/${KEY}`, [], undefined]);
  });

  const bound = (version: string) => {
    const data = Buffer.concat([Buffer.from(`${version}\0`), AAD]);
    return { additionalAuthenticatedData: base64(data), additionalAuthenticatedDataCrc32c: crc(data) };
  };
  const json = ["content-type: application/json"];

  test("Encrypt names the version, and binds version and associated data, each with its checksum", () => {
    const { server, sent } = recorder(ENCRYPTED);
    assert.deepEqual(Buffer.from(encrypt(server).ciphertext), Buffer.from(SEALED));
    const body = { plaintext: base64(SEED), plaintextCrc32c: crc(SEED), ...bound(`3.${HASH}`) };
    assert.deepEqual(sent(), [`POST /v1/${KEY}/cryptoKeyVersions/3:encrypt`, json, body]);
  });

  test("Decrypt names the key, for an older version too", () => {
    const { server, sent } = recorder(DECRYPTED);
    assert.deepEqual(Buffer.from(decrypt(server, `1.${HASH}`).plaintext), Buffer.from(SEED));
    const body = { ciphertext: base64(SEALED), ciphertextCrc32c: crc(SEALED), ...bound(`1.${HASH}`) };
    assert.deepEqual(sent(), [`POST /v1/${KEY}:decrypt`, json, body]);
  });

  test("a checksum is that of RFC 3720, for any bytes", () => {
    for (const bytes of [
      new Uint8Array(32),
      new Uint8Array(32).fill(0xff),
      Uint8Array.from({ length: 32 }, (_, i) => i),
    ]) {
      const { server, sent } = recorder(DECRYPTED);
      guest.decrypt({ key: "kek", version: `3.${HASH}`, ciphertext: bytes, settings: settings(KEY) }, server);
      assert.equal((sent()[2] as { ciphertextCrc32c: string }).ciphertextCrc32c, crc(bytes));
    }
    // The examples of its appendix.
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  });

  test("a key with many versions names the last 256 below the primary one", () => {
    const primary = { name: `${KEY}/cryptoKeyVersions/4000000000`, state: "ENABLED" };
    const { version, olderVersions } = described({ primary });
    assert.equal(version, `4000000000.${HASH}`);
    assert.deepEqual([olderVersions.length, olderVersions.at(-1)], [256, `3999999744.${HASH}`]);
  });
});

describe("names", () => {
  for (const key of [
    undefined,
    "kek",
    `${KEY}/cryptoKeyVersions/1`,
    `${KEY}/`,
    `/${KEY}`,
    KEY.replace("europe", "a b"),
    KEY.replace("kleidi-test", ".."),
    KEY.replace("kleidi-test", ""),
    `${KEY}${"x".repeat(300)}`,
  ])
    test(`the setting ${key?.slice(0, 100)} is refused before a request`, () => {
      assert.equal(failureOf(guest.status({ key: "kek", settings: settings(key) }, unasked))[0], 2);
    });

  test("the project of a domain is one", () => {
    const name = KEY.replace("kleidi-test", "example.com:kleidi");
    const primary = { name: `${name}/cryptoKeyVersions/1`, state: "ENABLED" };
    assert.deepEqual(failureOf(status(() => answer(200, { ...DESCRIBED, name, primary }), name)), []);
  });

  test("an unknown setting is refused before a request", () => {
    const reply = guest.status(
      { key: "kek", settings: [...settings(KEY), { name: "ring", value: "x" }] },
      unasked,
    );
    assert.equal(failureOf(reply)[0], 2);
  });

  test("the format of another plugin is refused before a request", () => {
    const fields = { key: "kek", version: `3.${HASH}`, foreignFormat: "x", settings: settings(KEY) };
    assert.equal(failureOf(guest.status(fields, unasked))[0], 2);
    assert.equal(failureOf(guest.decrypt({ ...fields, ciphertext: SEALED }, unasked))[0], 2);
  });

  for (const version of ["3.0123456789abcdef", `.${HASH}`, `03.${HASH}`, `0.${HASH}`, HASH, `3.1.${HASH}`])
    test(`the version ${version} is refused before a request`, () => {
      for (const call of [encrypt, decrypt]) assert.equal(failureOf(call(unasked, version))[0], 2);
    });
});

describe("answers that are not believed", () => {
  const cases: readonly (readonly [string, () => object, number])[] = [
    ["Status of another key", () => described({ name: `${KEY}x` }), 5],
    [
      "Status with the version of another key",
      () => described({ primary: { name: "x/3", state: "ENABLED" } }),
      5,
    ],
    [
      "Status with version 0",
      () => described({ primary: { name: `${KEY}/cryptoKeyVersions/0`, state: "ENABLED" } }),
      5,
    ],
    ["Status without a primary version", () => described({ primary: undefined }), 2],
    ["Status of a key for signatures", () => described({ purpose: "ASYMMETRIC_SIGN" }), 2],
    ["Encrypt with another version", () => encrypted({ name: `${KEY}/cryptoKeyVersions/2` }), 5],
    ["Encrypt without a ciphertext", () => encrypted({ ciphertext: "", ciphertextCrc32c: "0" }), 5],
    [
      "Encrypt with 1,024 bytes",
      () => {
        const bytes = new Uint8Array(1024);
        return encrypted({ ciphertext: base64(bytes), ciphertextCrc32c: crc(bytes) });
      },
      5,
    ],
    ["Encrypt with loose base64", () => encrypted({ ciphertext: "AAA" }), 5],
    ["Encrypt with a changed ciphertext", () => encrypted({ ciphertext: base64(SEED) }), 3],
    ["Encrypt without a checksum", () => encrypted({ ciphertextCrc32c: undefined }), 3],
    ["Encrypt of an unverified plaintext", () => encrypted({ verifiedPlaintextCrc32c: false }), 3],
    [
      "Encrypt of unverified associated data",
      () => encrypted({ verifiedAdditionalAuthenticatedDataCrc32c: undefined }),
      3,
    ],
    ["Decrypt with a changed plaintext", () => decrypted({ plaintext: base64(AAD) }), 3],
    ["Decrypt without a checksum", () => decrypted({ plaintextCrc32c: undefined }), 3],
    ["Decrypt of nothing", () => decrypted({ plaintext: "", plaintextCrc32c: "0" }), 1],
    [
      "Decrypt of 513 bytes",
      () => {
        const bytes = new Uint8Array(513);
        return decrypted({ plaintext: base64(bytes), plaintextCrc32c: crc(bytes) });
      },
      1,
    ],
    ["a page of a proxy", () => encrypt(() => answer(200, "<html>", "text/html")), 5],
    ["a redirect", () => encrypt(() => answer(302, "", "text/html")), 5],
    ["an empty object", () => encrypt(() => answer(200, {})), 5],
  ];
  for (const [name, call, code] of cases)
    test(name, () => assert.equal(failureOf(call() as Parameters<typeof failureOf>[0])[0], code));
});

const state = (word: string) =>
  refusal(
    400,
    "FAILED_PRECONDITION",
    `${KEY}/cryptoKeyVersions/3 is not enabled, current state is: ${word}.`,
  );
/** Name, answer, code; the sentences are in the snapshot. */
const REFUSALS: readonly (readonly [string, ReturnType<typeof answer>, number])[] = [
  ["an expired token", refusal(401, "UNAUTHENTICATED", "", "ACCESS_TOKEN_EXPIRED"), 4],
  ["no token", answer(401, ""), 4],
  ["no permission", refusal(403, "PERMISSION_DENIED", "Permission denied", "IAM_PERMISSION_DENIED"), 4],
  ["no scope", refusal(403, "PERMISSION_DENIED", "", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), 4],
  ["a perimeter", refusal(403, "PERMISSION_DENIED", "", "SECURITY_POLICY_VIOLATED"), 4],
  ["an API that is not enabled", refusal(403, "PERMISSION_DENIED", "", "SERVICE_DISABLED"), 2],
  ["no billing", refusal(403, "PERMISSION_DENIED", "", "BILLING_DISABLED"), 2],
  ["no such key", refusal(404, "NOT_FOUND", "CryptoKey x not found."), 2],
  ["a disabled version", state("DISABLED"), 2],
  ["a version that is destroyed soon", state("DESTROY_SCHEDULED"), 2],
  ["a destroyed version", state("DESTROYED"), 2],
  ["a version that is being created", state("PENDING_GENERATION"), 3],
  ["a version of another state", state("IMPORT_FAILED"), 2],
  ["another precondition", refusal(400, "FAILED_PRECONDITION", "x"), 2],
  ["too many requests", refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded"), 3],
  ["too many requests at a proxy", answer(429, ""), 3],
  ["a server that is down", refusal(503, "UNAVAILABLE"), 3],
  ["an external key manager that is late", refusal(504, "DEADLINE_EXCEEDED"), 3],
  ["a fault of KMS", refusal(500, "INTERNAL"), 3],
  ["a conflict", refusal(409, "ABORTED"), 3],
  [
    "a changed request",
    refusal(400, "INVALID_ARGUMENT", "The checksum in field x did not match the data."),
    3,
  ],
  ["another error", refusal(400, "INVALID_ARGUMENT", base64(SEED)), 5],
  ["an error that is a sentence", refusal(400, base64(SEED)), 5],
  ["a refusal that is not JSON", answer(403, "<html>", "text/html"), 4],
  ["an answer that is not JSON", answer(400, "<html>", "text/html"), 5],
];

describe("refusals", () => {
  for (const [name, reply, code] of REFUSALS) {
    test(name, () => {
      for (const call of [() => status(() => reply), () => encrypt(() => reply), () => decrypt(() => reply)])
        assert.equal(failureOf(call())[0], code);
    });
  }

  for (const text of ["the ciphertext is invalid.", "verify that 'name' refers to the correct CryptoKey."])
    test(`Decryption failed: ${text}`, () => {
      const reply = refusal(400, "INVALID_ARGUMENT", `Decryption failed: ${text}`);
      assert.equal(failureOf(decrypt(() => reply))[0], 1);
      assert.equal(failureOf(encrypt(() => reply))[0], 5);
    });

  test("each has its own sentence, of at most 512 bytes", (t) => {
    const sentences = REFUSALS.map(
      ([name, reply]) => [name, failureOf(decrypt(() => reply))[1] ?? ""] as const,
    );
    for (const [name, text] of sentences) assert.ok(Buffer.byteLength(text) <= 512, name);
    t.assert.snapshot(sentences.map(([name, text]) => `${name}\n  ${text}`).join("\n"), {
      serializers: [(text: string) => text],
    });
  });

  test("a sentence about a key with the longest names has at most 512 bytes", () => {
    const [long, longest] = ["a".repeat(63), "b".repeat(30)];
    const name = `projects/${longest}/locations/northamerica-northeast1/keyRings/${long}/cryptoKeys/${long}`;
    for (const [, reply] of REFUSALS.filter(([, , code]) => code !== 4)) {
      const [, text = ""] = failureOf(status(() => reply, name));
      assert.ok(Buffer.byteLength(text) <= 512, text);
    }
  });

  test("no message repeats the plaintext or the ciphertext", () => {
    const echo = ({ body }: NetRequest) =>
      refusal(400, base64(SEED), Buffer.from(body).toString(), base64(SEED));
    const type = () => refusal(403, "PERMISSION_DENIED", base64(SEED), base64(SEED));
    for (const reply of [encrypt(echo), decrypt(echo), encrypt(type)]) {
      const [, text = ""] = failureOf(reply);
      assert.ok(!text.includes(base64(SEED)) && !text.includes(base64(SEALED)), text);
    }
  });

  for (const [word, code] of [
    ["DISABLED", 2],
    ["DESTROY_SCHEDULED", 2],
    ["PENDING_IMPORT", 3],
    ["", 2],
  ] as const)
    test(`Status of a primary version in the state "${word}"`, () => {
      const primary = { name: `${KEY}/cryptoKeyVersions/3`, state: word };
      assert.equal(failureOf(described({ primary }))[0], code);
    });
});
