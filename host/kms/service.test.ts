import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { assertFailure, failureOf } from "../../test/support/failures.ts";
import { type ErrorCode, type FaultName, KleidiError } from "../error.ts";
import { deriveKeyId } from "./key-id.ts";
import { Keyset, type SimpleKey } from "./keyset.ts";
import { Prober } from "./prober.ts";
import type { DecryptRequest, EncryptRequest, Provider, Sealed } from "./provider.ts";
import { KmsService } from "./service.ts";

const PLAINTEXT = Uint8Array.from({ length: 32 }, (_, i) => i);
const FORMAT = { "format.kleidi.dev": Uint8Array.of(0x31) };
const flip = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0x5a);

class FakeProvider implements Provider {
  readonly name: string;
  readonly calls: string[] = [];
  failure: Error | undefined;
  annotations: Sealed["annotations"] = [];

  constructor(name: string) {
    this.name = name;
  }

  async status() {
    this.#record("status");
    return { version: "1", olderVersions: ["0"] };
  }

  async encrypt({ plaintext, version }: EncryptRequest): Promise<Sealed> {
    this.#record(`encrypt ${version}`);
    return { ciphertext: flip(plaintext), annotations: this.annotations };
  }

  async decrypt({ ciphertext, version }: DecryptRequest) {
    this.#record(`decrypt ${version}`);
    return flip(ciphertext);
  }

  #record(call: string) {
    this.calls.push(call);
    if (this.failure !== undefined) throw this.failure;
  }
}

/** A service over an active key "main" and a decrypt-only key "old", both probed; timers are mocked. */
async function setUp(t: Pick<TestContext, "mock" | "after">) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const main = new FakeProvider("vault");
  const old = new FakeProvider("local");
  const keyset = new Keyset([
    { name: "old", provider: old, use: "decrypt" },
    { name: "main", provider: main, use: "active" },
  ]);
  const prober = new Prober(keyset, { intervalMs: 10_000, onChange: () => {} });
  t.after(() => prober.stop());
  await prober.start();
  main.calls.length = 0;
  old.calls.length = 0;
  const probeNow = t.mock.method(prober, "probeNow", () => {});
  return { main, old, keyset, prober, probeNow, service: new KmsService(keyset, prober) };
}

/** Resolves when a call of the provider has failed and waits for its next try. */
async function untilWaiting({ calls }: FakeProvider): Promise<void> {
  for (let left = 3; left > 0; left -= calls.length === 0 ? 0 : 1)
    await new Promise((resolve) => setImmediate(resolve));
}

test("Status answers with the active key's key_id", async (t) => {
  const { service } = await setUp(t);
  assert.equal(service.activeKeyId(), await deriveKeyId("main", "1"));
});

test("Status calls no provider", async (t) => {
  const { service, main, old } = await setUp(t);
  service.activeKeyId();
  assert.deepEqual([...main.calls, ...old.calls], []);
});

test("Status throws the failure of the active key", async (t) => {
  const { service, keyset } = await setUp(t);
  const failure = new KleidiError("credential-refused/login", "Cannot status: refused");
  keyset.markFailed(keyset.active.key, failure);
  assert.throws(() => service.activeKeyId(), failure);
});

test("Status ignores a failed decrypt-only key", async (t) => {
  const { service, keyset } = await setUp(t);
  keyset.markFailed(keyset.keys[0] as SimpleKey, new KleidiError("backend-unreachable/connection", "x"));
  assert.equal(service.activeKeyId(), await deriveKeyId("main", "1"));
});

test("Status fails when the last probe is too old", async (t) => {
  const { service } = await setUp(t);
  const now = performance.now();
  t.mock.method(performance, "now", () => now + 100_000);
  assert.throws(() => service.activeKeyId(), {
    code: "key-not-ready",
    message:
      /^Cannot answer Status: the active key's last probe ended \d{6} ms ago, at most \d+ ms are allowed$/,
  });
});

test("Encrypt returns the key_id of Status", async (t) => {
  const { service } = await setUp(t);
  assert.equal((await service.encrypt(PLAINTEXT)).keyId, service.activeKeyId());
});

test("Encrypt returns the provider's ciphertext and annotations with the format annotation", async (t) => {
  const { service, main } = await setUp(t);
  main.annotations = [{ name: "a.example", value: Uint8Array.of(7) }];
  assert.deepEqual(await service.encrypt(PLAINTEXT), {
    ciphertext: flip(PLAINTEXT),
    keyId: await deriveKeyId("main", "1"),
    annotations: { ...FORMAT, "a.example": Uint8Array.of(7) },
  });
});

test("Encrypt encrypts and reads back", async (t) => {
  const { service, main } = await setUp(t);
  await service.encrypt(PLAINTEXT);
  assert.deepEqual(main.calls, ["encrypt 1", "decrypt 1"]);
});

for (const length of [1, 512]) {
  test(`Encrypt accepts a plaintext of ${length} bytes`, async (t) => {
    const { service } = await setUp(t);
    assert.equal((await service.encrypt(new Uint8Array(length))).ciphertext.length, length);
  });
}

const BAD_PLAINTEXTS: [number, ErrorCode][] = [
  [0, "request-invalid"],
  [513, "request-too-large"],
];
for (const [length, code] of BAD_PLAINTEXTS) {
  test(`Encrypt refuses a plaintext of ${length} bytes`, async (t) => {
    const { service } = await setUp(t);
    await assertFailure(t, code, () => service.encrypt(new Uint8Array(length)));
  });
}

test("Encrypt does not call the provider with a plaintext that it refuses", async (t) => {
  const { service, main } = await setUp(t);
  await service.encrypt(new Uint8Array(513)).catch(() => {});
  assert.deepEqual(main.calls, []);
});

test("Encrypt throws the failure of the active key", async (t) => {
  const { service, keyset } = await setUp(t);
  const failure = new KleidiError("backend-unreachable/connection", "Cannot status: offline");
  keyset.markFailed(keyset.active.key, failure);
  await assert.rejects(service.encrypt(PLAINTEXT), failure);
});

test("Encrypt reports an unexpected failure of the provider as host-fault", async (t) => {
  const { service, main } = await setUp(t);
  main.failure = new TypeError("secret");
  await assert.rejects(service.encrypt(PLAINTEXT), {
    code: "host-fault",
    message: 'Cannot use key "main": an unexpected failure in the host',
  });
});

test("Decrypt returns the plaintext of Encrypt", async (t) => {
  const { service } = await setUp(t);
  assert.deepEqual(await service.decrypt(await service.encrypt(PLAINTEXT)), PLAINTEXT);
});

test("Decrypt passes the provider its annotations without the format annotation", async (t) => {
  const { service, main } = await setUp(t);
  const decrypt = t.mock.method(main, "decrypt");
  main.annotations = [{ name: "a.example", value: Uint8Array.of(7) }];
  const encrypted = await service.encrypt(PLAINTEXT);
  await service.decrypt(encrypted);
  assert.deepEqual(decrypt.mock.calls.at(-1)?.arguments[0].annotations, main.annotations);
});

test("Decrypt calls the provider of the key that has the key_id", async (t) => {
  const { service, main, old } = await setUp(t);
  const keyId = await deriveKeyId("old", "1");
  await service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT });
  assert.deepEqual([main.calls, old.calls], [[], ["decrypt 1"]]);
});

test("Decrypt passes an older version to the provider", async (t) => {
  const { service, main } = await setUp(t);
  const keyId = await deriveKeyId("main", "0");
  await service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT });
  assert.deepEqual(main.calls, ["decrypt 0"]);
});

test("Decrypt works after a failed probe of the key", async (t) => {
  const { service, keyset } = await setUp(t);
  const encrypted = await service.encrypt(PLAINTEXT);
  keyset.markFailed(keyset.active.key, new KleidiError("backend-unreachable/connection", "x"));
  assert.deepEqual(await service.decrypt(encrypted), PLAINTEXT);
});

for (const length of [1, 512]) {
  test(`Decrypt accepts a ciphertext of ${length} bytes`, async (t) => {
    const { service } = await setUp(t);
    const keyId = service.activeKeyId();
    const ciphertext = new Uint8Array(length);
    assert.equal((await service.decrypt({ ciphertext, keyId, annotations: FORMAT })).length, length);
  });
}

test("Decrypt passes a ciphertext of 1023 bytes to the provider", async (t) => {
  const { service, main } = await setUp(t);
  t.mock.method(main, "decrypt", async () => PLAINTEXT);
  const keyId = service.activeKeyId();
  const ciphertext = new Uint8Array(1023);
  assert.equal(await service.decrypt({ ciphertext, keyId, annotations: FORMAT }), PLAINTEXT);
});

const OF_MAIN = await deriveKeyId("main", "1");
const BAD_DECRYPTS: [
  string,
  { ciphertext?: Uint8Array; keyId?: string; annotations?: Record<string, Uint8Array> },
  ErrorCode,
][] = [
  ["an empty key_id", { keyId: "" }, "request-invalid"],
  ["a key_id of 1024 bytes", { keyId: "x".repeat(1024) }, "request-invalid"],
  ["an unknown key_id", { keyId: "k1.x" }, "key-unknown"],
  ["the key_id __proto__", { keyId: "__proto__" }, "key-unknown"],
  ["an empty ciphertext", { ciphertext: new Uint8Array() }, "ciphertext-invalid"],
  ["a ciphertext of 1024 bytes", { ciphertext: new Uint8Array(1024) }, "ciphertext-invalid"],
  ["a missing format annotation", { annotations: {} }, "annotations-invalid"],
  [
    "a format annotation of two bytes",
    { annotations: { "format.kleidi.dev": Uint8Array.of(0x31, 0x30) } },
    "annotations-invalid",
  ],
  [
    "an annotation that the API server would not store",
    { annotations: { ...FORMAT, "a/b": Uint8Array.of(1) } },
    "annotations-invalid",
  ],
];
for (const [what, input, code] of BAD_DECRYPTS) {
  test(`Decrypt refuses ${what}`, async (t) => {
    const { service, main, probeNow } = await setUp(t);
    const request = { ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT, ...input };
    await assertFailure(t, code, () => service.decrypt(request));
    // The caller is at fault: the provider is not called, and the key is not probed.
    assert.deepEqual([main.calls, probeNow.mock.callCount()], [[], 0]);
  });
}

const PROBED_AFTER: FaultName[] = [
  "credential-refused/login",
  "deadline/waiting",
  "provider-fault/reply",
  "key-not-ready/refused",
];
for (const fault of PROBED_AFTER) {
  test(`${fault} from Decrypt starts a probe of the key`, async (t) => {
    const { service, main, keyset, probeNow } = await setUp(t);
    main.failure = new KleidiError(fault, "Cannot decrypt: x");
    await assert.rejects(
      service.decrypt({ ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT }),
      main.failure,
    );
    assert.deepEqual(
      probeNow.mock.calls.map(({ arguments: [key] }) => key),
      [keyset.active.key],
    );
  });
}

for (const fault of ["ciphertext-invalid/refused", "overloaded/full"] as const) {
  test(`${fault} from Decrypt starts no probe of the key`, async (t) => {
    const { service, main, probeNow } = await setUp(t);
    main.failure = new KleidiError(fault, "Cannot decrypt: x");
    await assert.rejects(
      service.decrypt({ ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT }),
      main.failure,
    );
    assert.equal(probeNow.mock.callCount(), 0);
  });
}

test("Decrypt is repeated while the KMS is out of reach, and starts a probe of the key", async (t) => {
  const { service, main, probeNow } = await setUp(t);
  main.failure = new KleidiError("backend-unreachable/connection", "Cannot decrypt: x");
  const opened = service.decrypt({ ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT });
  await untilWaiting(main);
  main.failure = undefined;
  t.mock.timers.tick(100);
  assert.deepEqual(await opened, flip(PLAINTEXT));
  assert.deepEqual([main.calls.length, probeNow.mock.callCount()], [2, 1]);
});

test("a call is not repeated when its caller does not wait for that", async (t) => {
  const { service, main } = await setUp(t);
  main.failure = new KleidiError("backend-unreachable/connection", "Cannot encrypt: x");
  await assert.rejects(service.encrypt(PLAINTEXT, 90), { code: "backend-unreachable" });
  assert.deepEqual(
    main.calls.filter((call) => call !== "status"),
    ["encrypt 1"],
  );
});

test("Encrypt is repeated while the KMS is out of reach", async (t) => {
  const { service, main } = await setUp(t);
  main.failure = new KleidiError("backend-unreachable/connection", "Cannot encrypt: x");
  const sealed = service.encrypt(PLAINTEXT);
  await untilWaiting(main);
  main.failure = undefined;
  t.mock.timers.tick(100);
  assert.deepEqual((await sealed).ciphertext, flip(PLAINTEXT));
  assert.deepEqual(main.calls, ["encrypt 1", "encrypt 1", "decrypt 1"]);
});

test("a key of another provider is not held up by the outage", async (t) => {
  const { service, main, old } = await setUp(t);
  main.failure = new KleidiError("backend-unreachable/connection", "Cannot decrypt: x");
  const late = service.decrypt({ ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT });
  await untilWaiting(main);
  const keyId = await deriveKeyId("old", "1");
  assert.deepEqual(
    await service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT }),
    flip(PLAINTEXT),
  );
  assert.deepEqual(old.calls, ["decrypt 1"]);
  main.failure = undefined;
  t.mock.timers.tick(100);
  await late;
});

test("a failed read-back starts a probe of the key", async (t) => {
  const { service, main, probeNow } = await setUp(t);
  t.mock.method(main, "decrypt", async () => new Uint8Array(32));
  await assert.rejects(service.encrypt(PLAINTEXT), { code: "read-back-failed" });
  assert.equal(probeNow.mock.callCount(), 1);
});

test("Decrypt of arbitrary input throws nothing but a KleidiError", async (t) => {
  const { service } = await setUp(t);
  const name = fc.oneof(
    fc.constantFrom("format.kleidi.dev", "a.example", "kleidi.dev", "__proto__", "constructor"),
    fc.string({ unit: "binary" }),
  );
  const annotations = fc.oneof(
    fc.constant(FORMAT),
    fc.dictionary(name, fc.uint8Array({ maxLength: 4 }), { maxKeys: 4 }),
  );
  const keyId = fc.oneof(fc.constant(OF_MAIN as string), fc.string({ unit: "binary", maxLength: 1100 }));
  const ciphertext = fc.uint8Array({ maxLength: 1100, size: "max" });
  await fc.assert(
    fc.asyncProperty(fc.record({ ciphertext, keyId, annotations }), async (input) => {
      try {
        assert.ok((await service.decrypt(input)).length > 0);
      } catch (error) {
        assert.ok(error instanceof KleidiError && error.code !== "host-fault", String(error));
      }
    }),
    { numRuns: 300 },
  );
});

/** A service whose first probes wait until the test lets them end. */
function beforeProbes(t: TestContext) {
  const main = new FakeProvider("vault");
  const old = new FakeProvider("local");
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  for (const [i, provider] of [main, old].entries()) {
    const status = provider.status.bind(provider);
    provider.status = async () => {
      await gates[i === 0 ? 0 : 1].promise;
      return await status();
    };
  }
  const keyset = new Keyset([
    { name: "main", provider: main, use: "active" },
    { name: "old", provider: old, use: "decrypt" },
  ]);
  const prober = new Prober(keyset, { intervalMs: 10_000, onChange: () => {} });
  t.after(() => prober.stop());
  const service = new KmsService(keyset, prober);
  return { service, prober, main, endMain: gates[0].resolve, endOld: gates[1].resolve };
}

test("an RPC before the end of the first probe waits for it", async (t) => {
  const { service, prober, endMain } = beforeProbes(t);
  const replies = [service.status(), service.encrypt(PLAINTEXT).then(({ keyId }) => keyId)];
  void prober.start();
  assert.equal(
    await Promise.race([...replies, new Promise((resolve) => setTimeout(resolve, 30, "waits"))]),
    "waits",
  );
  endMain();
  assert.deepEqual(await Promise.all(replies), Array(2).fill(await deriveKeyId("main", "1")));
});

test("a Decrypt waits only while no probed key has its key_id", async (t) => {
  const { service, prober, endMain, endOld } = beforeProbes(t);
  const ofOld = service.decrypt({
    ciphertext: flip(PLAINTEXT),
    keyId: await deriveKeyId("old", "1"),
    annotations: FORMAT,
  });
  void prober.start();
  endMain();
  const { keyId } = await service.encrypt(PLAINTEXT);
  assert.deepEqual(
    await service.decrypt({ ciphertext: flip(PLAINTEXT), keyId, annotations: FORMAT }),
    PLAINTEXT,
  );
  endOld();
  assert.deepEqual(await ofOld, PLAINTEXT);
});

test("an RPC that waits for a first probe fails with its failure, or after 2 s with key-not-ready", async (t) => {
  const { service, prober, main, endMain } = beforeProbes(t);
  const first = assert.rejects(service.status(), { code: "backend-unreachable" });
  main.failure = new KleidiError("backend-unreachable/connection", "Cannot status: its KMS does not answer");
  void prober.start();
  endMain();
  await first;
  const late = beforeProbes(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const waiting = assert.rejects(late.service.encrypt(PLAINTEXT), {
    code: "key-not-ready",
    message: 'Cannot use key "main": its first health probe is still running',
  });
  t.mock.timers.tick(2_000);
  await waiting;
});

test("stopping the prober ends the wait for a first probe", async (t) => {
  const { service, prober } = beforeProbes(t);
  const waiting = assert.rejects(service.status(), { code: "key-not-ready" });
  prober.stop();
  await waiting;
});

const UNUSABLE = {
  reason: "version 1 is below the minimum",
  remedy: "Lower the minimum",
  ciphertextPrefixes: [Uint8Array.of(7), PLAINTEXT.slice(0, 8)],
};

test("an unusable version has the same failure with a known and with an unknown key_id", async (t) => {
  const { service, main, keyset, probeNow } = await setUp(t);
  main.failure = new KleidiError("key-not-ready/refused", "Cannot decrypt: it is gone");
  keyset.unusable.set("main", [UNUSABLE]);
  const decrypt = (keyId: string) => service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT });
  const failures = [await failureOf(() => decrypt(OF_MAIN)), await failureOf(() => decrypt("k1.x"))];
  for (const { fault, message, cause } of failures) {
    assert.deepEqual([fault, cause], ["key-not-ready/unusable", `${UNUSABLE.reason}. ${UNUSABLE.remedy}`]);
    assert.match(message, /version of key "main" that the provider reports as unusable/);
    // Both texts are the provider's, and the message is sent to the API server.
    assert.ok(!message.includes("minimum"));
  }
  assert.equal(probeNow.mock.callCount(), 1);
});

test("each key whose provider reports such ciphertexts is named, and only the key that has the key_id", async (t) => {
  const { service, main, keyset } = await setUp(t);
  for (const name of ["main", "old"]) keyset.unusable.set(name, [UNUSABLE]);
  const input = { ciphertext: PLAINTEXT, annotations: FORMAT };
  const unknown = await failureOf(() => service.decrypt({ ...input, keyId: "k1.x" }));
  assert.match(unknown.message, /a version of key "main" or "old" that/);
  main.failure = new KleidiError("key-not-ready/refused", "Cannot decrypt: it is gone");
  const known = await failureOf(() => service.decrypt({ ...input, keyId: OF_MAIN }));
  assert.match(known.message, /a version of key "main" that/);
});

test("an unknown key_id stays unknown with any other ciphertext", async (t) => {
  const { service, keyset } = await setUp(t);
  keyset.unusable.set("main", [UNUSABLE]);
  for (const ciphertext of [PLAINTEXT.slice(0, 7), flip(PLAINTEXT)]) {
    const failure = await failureOf(() =>
      service.decrypt({ ciphertext, keyId: "k1.x", annotations: FORMAT }),
    );
    assert.equal(failure.code, "key-unknown");
  }
});

const OF_ANOTHER_HOST = "k1.".padEnd(46, "A");

test("Decrypt of an unknown key_id waits for a look at the versions, and finds the version of another host", async (t) => {
  const { service, prober, keyset } = await setUp(t);
  const [key] = keyset.keys as SimpleKey[];
  assert.ok(key !== undefined);
  t.mock.method(prober, "lookForVersions", () =>
    keyset.addVersions(key, { version: "1", olderVersions: ["2"] }),
  );
  const keyId = await deriveKeyId("old", "2");
  assert.deepEqual(
    await service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT }),
    flip(PLAINTEXT),
  );
});

test("Decrypt gives up on a look that takes too long, and fails as without one", async (t) => {
  const { service, prober } = await setUp(t);
  const { promise: looked, resolve } = Promise.withResolvers<void>();
  t.mock.method(prober, "lookForVersions", () => {
    resolve();
    return new Promise(() => {});
  });
  const failing = failureOf(() =>
    service.decrypt({ ciphertext: PLAINTEXT, keyId: OF_ANOTHER_HOST, annotations: FORMAT }),
  );
  await looked;
  t.mock.timers.tick(1_500);
  assert.equal((await failing).code, "key-unknown");
});

test("no look is requested for a known key_id, for one that is not kleidi's, or for an unusable version", async (t) => {
  const { service, prober, keyset } = await setUp(t);
  const { mock } = t.mock.method(prober, "lookForVersions", () => undefined);
  const decrypt = (keyId: string) => service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT });
  await decrypt(OF_MAIN);
  await failureOf(() => decrypt("k1.x"));
  await failureOf(() => decrypt(OF_ANOTHER_HOST));
  assert.equal(mock.callCount(), 1);
  keyset.unusable.set("main", [UNUSABLE]);
  await failureOf(() => decrypt(OF_ANOTHER_HOST));
  assert.equal(mock.callCount(), 1);
});

test("reports of unusable versions change no Decrypt that works, and no other failure", async (t) => {
  const { service, main, keyset } = await setUp(t);
  keyset.unusable.set("main", [UNUSABLE]);
  const input = { ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT };
  assert.deepEqual(await service.decrypt(input), flip(PLAINTEXT));
  main.failure = new KleidiError("credential-refused/login", "Cannot decrypt: the token has ended");
  assert.equal(await failureOf(() => service.decrypt(input)), main.failure);
});

test("a probe replaces the unusable versions of a key", async (t) => {
  const { service, keyset } = await setUp(t);
  const { key } = keyset.active as { key: SimpleKey };
  const input = { ciphertext: PLAINTEXT, keyId: "k1.x", annotations: FORMAT };
  await keyset.addVersions(key, { version: "1", olderVersions: [], unusable: [UNUSABLE] });
  assert.equal((await failureOf(() => service.decrypt(input))).code, "key-not-ready");
  await keyset.addVersions(key, { version: "1", olderVersions: [] });
  assert.equal((await failureOf(() => service.decrypt(input))).code, "key-unknown");
});

test("a keyset that continues a former one keeps the unusable versions of its keys", async (t) => {
  const { keyset } = await setUp(t);
  keyset.unusable.set("main", [UNUSABLE]);
  const next = new Keyset(keyset.keys, keyset);
  assert.equal(next.unusable.explain(PLAINTEXT)?.code, "key-not-ready");
});
