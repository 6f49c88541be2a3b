import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { type ErrorCode, KleidiError } from "../error.ts";
import { deriveKeyId } from "./key-id.ts";
import { type KeyConfig, Keyset } from "./keyset.ts";
import { Prober } from "./prober.ts";
import type { DecryptRequest, EncryptRequest, Provider, Sealed } from "./provider.ts";
import { KmsService } from "./service.ts";

const PLAINTEXT = Uint8Array.from({ length: 32 }, (_, i) => i);
const FORMAT = { "format.kleidi.dev": Uint8Array.of(0x31) };
const flip = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0x5a);

class FakeProvider implements Provider {
  readonly name: string;
  readonly asked: string[] = [];
  failure: Error | undefined;
  annotations: Sealed["annotations"] = [];

  constructor(name: string) {
    this.name = name;
  }

  async status() {
    this.#note("status");
    return { version: "1", olderVersions: ["0"] };
  }

  async encrypt({ plaintext, version }: EncryptRequest): Promise<Sealed> {
    this.#note(`encrypt ${version}`);
    return { ciphertext: flip(plaintext), annotations: this.annotations };
  }

  async decrypt({ ciphertext, version }: DecryptRequest) {
    this.#note(`decrypt ${version}`);
    return flip(ciphertext);
  }

  #note(what: string) {
    this.asked.push(what);
    if (this.failure !== undefined) throw this.failure;
  }
}

/** A service over an active key "main" and a decrypt-only key "old", both probed; no timer fires by itself. */
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
  main.asked.length = 0;
  old.asked.length = 0;
  const soon = t.mock.method(prober, "soon", () => {});
  return { main, old, keyset, prober, soon, service: new KmsService(keyset, prober) };
}

test("Status answers with the active key's key_id", async (t) => {
  const { service } = await setUp(t);
  assert.equal(service.activeKeyId(), await deriveKeyId("main", "1"));
});

test("Status asks no provider", async (t) => {
  const { service, main, old } = await setUp(t);
  service.activeKeyId();
  assert.deepEqual([...main.asked, ...old.asked], []);
});

test("Status throws what the active key failed with", async (t) => {
  const { service, keyset } = await setUp(t);
  const failure = new KleidiError("credential-refused", "Cannot status: refused");
  keyset.markFailed(keyset.active.key, failure);
  assert.throws(() => service.activeKeyId(), failure);
});

test("Status does not mind a decrypt-only key that failed", async (t) => {
  const { service, keyset } = await setUp(t);
  keyset.markFailed(keyset.keys[0] as KeyConfig, new KleidiError("backend-unreachable", "x"));
  assert.equal(service.activeKeyId(), await deriveKeyId("main", "1"));
});

test("Status fails when the last probe is too old", async (t) => {
  const { service } = await setUp(t);
  const now = performance.now();
  t.mock.method(performance, "now", () => now + 100_000);
  assert.throws(() => service.activeKeyId(), {
    code: "key-not-ready",
    message:
      /^Cannot answer Status: the active key's last probe ended \d{6} ms ago, at most \d+ are allowed$/,
  });
});

test("Encrypt's key_id is the one of Status", async (t) => {
  const { service } = await setUp(t);
  assert.equal((await service.encrypt(PLAINTEXT)).keyId, service.activeKeyId());
});

test("Encrypt gives the provider's ciphertext and annotations and the format", async (t) => {
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
  assert.deepEqual(main.asked, ["encrypt 1", "decrypt 1"]);
});

for (const length of [1, 512]) {
  test(`Encrypt accepts a plaintext of ${length} bytes`, async (t) => {
    const { service } = await setUp(t);
    assert.equal((await service.encrypt(new Uint8Array(length))).ciphertext.length, length);
  });
}

const BAD_PLAINTEXTS: [number, ErrorCode, string][] = [
  [0, "request-invalid", "Cannot encrypt: the plaintext is empty"],
  [513, "request-too-large", "Cannot encrypt: the plaintext is 513 bytes, at most 512 are allowed"],
];
for (const [length, code, message] of BAD_PLAINTEXTS) {
  test(`Encrypt refuses a plaintext of ${length} bytes`, async (t) => {
    const { service } = await setUp(t);
    await assert.rejects(service.encrypt(new Uint8Array(length)), { code, message });
  });
}

test("Encrypt does not ask a provider for a plaintext that it refuses", async (t) => {
  const { service, main } = await setUp(t);
  await service.encrypt(new Uint8Array(513)).catch(() => {});
  assert.deepEqual(main.asked, []);
});

test("Encrypt throws what the active key failed with", async (t) => {
  const { service, keyset } = await setUp(t);
  const failure = new KleidiError("backend-unreachable", "Cannot status: offline");
  keyset.markFailed(keyset.active.key, failure);
  await assert.rejects(service.encrypt(PLAINTEXT), failure);
});

test("Encrypt calls an unexpected failure of the provider a fault of the host", async (t) => {
  const { service, main } = await setUp(t);
  main.failure = new TypeError("secret");
  await assert.rejects(service.encrypt(PLAINTEXT), {
    code: "host-fault",
    message: 'Cannot use key "main": an unexpected failure in the host',
  });
});

test("Decrypt gives back what Encrypt took", async (t) => {
  const { service } = await setUp(t);
  assert.deepEqual(await service.decrypt(await service.encrypt(PLAINTEXT)), PLAINTEXT);
});

test("Decrypt gives the provider its own annotations without the format", async (t) => {
  const { service, main } = await setUp(t);
  const decrypt = t.mock.method(main, "decrypt");
  main.annotations = [{ name: "a.example", value: Uint8Array.of(7) }];
  const encrypted = await service.encrypt(PLAINTEXT);
  await service.decrypt(encrypted);
  assert.deepEqual(decrypt.mock.calls.at(-1)?.arguments[0].annotations, main.annotations);
});

test("Decrypt asks the provider of the key that has the key_id", async (t) => {
  const { service, main, old } = await setUp(t);
  const keyId = await deriveKeyId("old", "1");
  await service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT });
  assert.deepEqual([main.asked, old.asked], [[], ["decrypt 1"]]);
});

test("Decrypt names an older version to the provider", async (t) => {
  const { service, main } = await setUp(t);
  const keyId = await deriveKeyId("main", "0");
  await service.decrypt({ ciphertext: PLAINTEXT, keyId, annotations: FORMAT });
  assert.deepEqual(main.asked, ["decrypt 0"]);
});

test("Decrypt goes on while the key's last probe failed", async (t) => {
  const { service, keyset } = await setUp(t);
  const encrypted = await service.encrypt(PLAINTEXT);
  keyset.markFailed(keyset.active.key, new KleidiError("backend-unreachable", "x"));
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

test("Decrypt hands a ciphertext of 1023 bytes to the provider", async (t) => {
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
  string,
][] = [
  ["an empty key_id", { keyId: "" }, "request-invalid", "Cannot find the key: the request's key_id is empty"],
  [
    "a key_id of 1024 bytes",
    { keyId: "x".repeat(1024) },
    "request-invalid",
    "Cannot find the key: the request's key_id is 1024 bytes, at most 1023 are allowed",
  ],
  ["an unknown key_id", { keyId: "k1.x" }, "key-unknown", "Cannot decrypt: none of 2 keys has this key_id"],
  [
    "the key_id __proto__",
    { keyId: "__proto__" },
    "key-unknown",
    "Cannot decrypt: none of 2 keys has this key_id",
  ],
  [
    "an empty ciphertext",
    { ciphertext: new Uint8Array() },
    "ciphertext-invalid",
    "Cannot decrypt: the ciphertext is 0 bytes, 1 to 1023 are allowed",
  ],
  [
    "a ciphertext of 1024 bytes",
    { ciphertext: new Uint8Array(1024) },
    "ciphertext-invalid",
    "Cannot decrypt: the ciphertext is 1024 bytes, 1 to 1023 are allowed",
  ],
  [
    "no format annotation",
    { annotations: {} },
    "annotations-invalid",
    'Cannot decrypt: the annotation format.kleidi.dev should be "1", it is missing',
  ],
  [
    "a format annotation of two bytes",
    { annotations: { "format.kleidi.dev": Uint8Array.of(0x31, 0x30) } },
    "annotations-invalid",
    'Cannot decrypt: the annotation format.kleidi.dev should be "1", it is another value',
  ],
  [
    "an annotation that no API server would have stored",
    { annotations: { ...FORMAT, "a/b": Uint8Array.of(1) } },
    "annotations-invalid",
    "Cannot decrypt: an annotation's name is not a domain name of two labels or more",
  ],
];
for (const [what, input, code, message] of BAD_DECRYPTS) {
  test(`Decrypt refuses ${what}`, async (t) => {
    const { service, main, soon } = await setUp(t);
    const request = { ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT, ...input };
    await assert.rejects(service.decrypt(request), { name: "KleidiError", code, message });
    // The caller's fault: no provider hears of it, and no key is doubted.
    assert.deepEqual([main.asked, soon.mock.callCount()], [[], 0]);
  });
}

const DOUBTED: ErrorCode[] = [
  "backend-unreachable",
  "credential-refused",
  "deadline",
  "provider-fault",
  "key-not-ready",
];
for (const code of DOUBTED) {
  test(`${code} from Decrypt makes the key be probed soon`, async (t) => {
    const { service, main, keyset, soon } = await setUp(t);
    main.failure = new KleidiError(code, "Cannot decrypt: x");
    await assert.rejects(
      service.decrypt({ ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT }),
      main.failure,
    );
    assert.deepEqual(
      soon.mock.calls.map(({ arguments: [key] }) => key),
      [keyset.active.key],
    );
  });
}

for (const code of ["ciphertext-invalid", "overloaded"] as const) {
  test(`${code} from Decrypt does not make the key be probed`, async (t) => {
    const { service, main, soon } = await setUp(t);
    main.failure = new KleidiError(code, "Cannot decrypt: x");
    await assert.rejects(
      service.decrypt({ ciphertext: PLAINTEXT, keyId: OF_MAIN, annotations: FORMAT }),
      main.failure,
    );
    assert.equal(soon.mock.callCount(), 0);
  });
}

test("a failed read-back makes the key be probed soon", async (t) => {
  const { service, main, soon } = await setUp(t);
  t.mock.method(main, "decrypt", async () => new Uint8Array(32));
  await assert.rejects(service.encrypt(PLAINTEXT), { code: "read-back-failed" });
  assert.equal(soon.mock.callCount(), 1);
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

/** A service whose keys are not probed before the test lets them be. */
function early(t: TestContext) {
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
  return { service, prober, main, letMain: gates[0].resolve, letOld: gates[1].resolve };
}

test("what is asked before the first probe ended waits for it", async (t) => {
  const { service, prober, letMain } = early(t);
  const asked = [service.status(), service.encrypt(PLAINTEXT).then(({ keyId }) => keyId)];
  void prober.start();
  assert.equal(
    await Promise.race([...asked, new Promise((resolve) => setTimeout(resolve, 30, "waits"))]),
    "waits",
  );
  letMain();
  assert.deepEqual(await Promise.all(asked), Array(2).fill(await deriveKeyId("main", "1")));
});

test("a Decrypt waits only while no key that was probed has its key_id", async (t) => {
  const { service, prober, letMain, letOld } = early(t);
  const ofOld = service.decrypt({
    ciphertext: flip(PLAINTEXT),
    keyId: await deriveKeyId("old", "1"),
    annotations: FORMAT,
  });
  void prober.start();
  letMain();
  const { keyId } = await service.encrypt(PLAINTEXT);
  assert.deepEqual(
    await service.decrypt({ ciphertext: flip(PLAINTEXT), keyId, annotations: FORMAT }),
    PLAINTEXT,
  );
  letOld();
  assert.deepEqual(await ofOld, PLAINTEXT);
});

test("who waits for a first probe is told its failure, and that it still runs when time is up", async (t) => {
  const { service, prober, main, letMain } = early(t);
  const early1 = assert.rejects(service.status(), { code: "backend-unreachable" });
  main.failure = new KleidiError("backend-unreachable", "Cannot status: its KMS does not answer");
  void prober.start();
  letMain();
  await early1;
  const late = early(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const waiting = assert.rejects(late.service.encrypt(PLAINTEXT), {
    code: "key-not-ready",
    message: 'Cannot use key "main": its first health probe is still running',
  });
  t.mock.timers.tick(2_000);
  await waiting;
});

test("a host that stops keeps nobody waiting for a first probe", async (t) => {
  const { service, prober } = early(t);
  const waiting = assert.rejects(service.status(), { code: "key-not-ready" });
  prober.stop();
  await waiting;
});
