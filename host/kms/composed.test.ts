import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { assertFailure, failureOf } from "../../test/support/failures.ts";
import { FakeKms, OFFLINE } from "../../test/support/fake-kms.ts";
import { KleidiError } from "../error.ts";
import { decodeCiphertext, encodeCiphertext, type Mode } from "./composed/header.ts";
import { LEAVE_AFTER_MS, RETURN_AFTER_MS } from "./composed/member-set.ts";
import type { KeyChange } from "./key-change.ts";
import { type ComposedKey, type KeyConfig, Keyset, type SimpleKey } from "./keyset.ts";
import { Prober } from "./prober.ts";
import { seal } from "./seal.ts";
import { type Encrypted, KmsService } from "./service.ts";

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i);
const INTERVAL = 1_000;
const FORMAT_1 = { "format.kleidi.dev": Uint8Array.of(0x31) };

/** A service over an active key "both" of two members; timers and the clock are mocked. */
function setUp(
  t: TestContext,
  mode: Mode = "anyOf",
  more: (members: readonly SimpleKey[]) => KeyConfig[] = () => [],
) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 0.5);
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const [vault, tpm] = [new FakeKms("vault"), new FakeKms("tpm")];
  const members: SimpleKey[] = [
    { name: "vault-kek", provider: vault, use: "member" },
    { name: "tpm-kek", provider: tpm, use: "member" },
  ];
  const both: ComposedKey = { name: "both", mode, members, use: "active" };
  const keyset = new Keyset([...members, both, ...more(members)]);
  const changes: KeyChange[] = [];
  let probes = 0;
  const onProbe = ({ provider }: KeyConfig) => {
    if (provider === vault || provider === tpm) probes += 1;
  };
  const options = { intervalMs: INTERVAL, onChange: (change: KeyChange) => changes.push(change), onProbe };
  const prober = new Prober(keyset, options);
  t.after(() => prober.stop());
  const service = new KmsService(keyset, prober);
  /** Advances the clock in steps, and waits for the end of the probes that began. */
  const pass = async (ms: number, step = 250) => {
    for (let left = ms; left > 0; left -= step) {
      now += step;
      t.mock.timers.tick(step);
      do await settle();
      while (vault.count("status") + tpm.count("status") > probes);
    }
  };
  return { vault, tpm, members, both, keyset, prober, service, changes, pass, options };
}

/** Lets pending promises run, those of the web crypto among them. */
async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) {
    await crypto.subtle.digest("SHA-256", SEED);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

async function started(t: TestContext, mode: Mode = "anyOf") {
  const all = setUp(t, mode);
  await all.prober.start();
  return all;
}

/** Settles once the work has, while time passes. */
async function whilePassing<T>(pass: (ms: number) => Promise<void>, work: Promise<T>): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  while (!isOver) await pass(250);
  return await work;
}

function changed({ annotations, ...object }: Encrypted, name: string, at: number): Encrypted {
  const bytes = Uint8Array.from(annotations[name] ?? new Uint8Array());
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return { ...object, annotations: { ...annotations, [name]: bytes } };
}

test("what an anyOf key encrypts is decrypted, under the key_id that Status names, in format 2", async (t) => {
  const { service } = await started(t);
  const object = await service.encrypt(SEED);
  assert.equal(object.keyId, await service.status());
  assert.deepEqual(Object.keys(object.annotations).sort(), [
    "format.kleidi.dev",
    "wrap-1.kleidi.dev",
    "wrap-2.kleidi.dev",
  ]);
  assert.deepEqual(await service.decrypt(object), SEED);
});

test("a member sees a share and never the seed", async (t) => {
  for (const mode of ["anyOf", "allOf"] as const) {
    const { service, vault, tpm } = await started(t, mode);
    const seen: string[] = [];
    for (const member of [vault, tpm]) {
      const encrypt = member.encrypt.bind(member);
      member.encrypt = (request) => {
        seen.push(Buffer.from(request.plaintext).toString("hex"));
        return encrypt(request);
      };
    }
    await service.encrypt(SEED);
    assert.equal(seen.length, 2);
    assert.equal(new Set(seen).size, mode === "anyOf" ? 1 : 2);
    for (const share of seen) {
      assert.equal(share.length, 64);
      assert.notEqual(share, Buffer.from(SEED).toString("hex"));
    }
    t.mock.reset();
  }
});

test("two Encrypts of one seed have nothing in common but the header", async (t) => {
  const { service } = await started(t);
  const [one, other] = [await service.encrypt(SEED), await service.encrypt(SEED)];
  const [first, second] = [one, other].map(({ ciphertext }) => decodeCiphertext(ciphertext));
  assert.deepEqual(first?.header, second?.header);
  assert.notDeepEqual(first?.sealed, second?.sealed);
  assert.notDeepEqual(one.annotations["wrap-1.kleidi.dev"], other.annotations["wrap-1.kleidi.dev"]);
});

test("the order of the members in the configuration does not change the key_id", async (t) => {
  const { keyset, members, both } = await started(t);
  const current = keyset.active.current;
  const turned = { ...both, members: members.toReversed() };
  const versions = members.flatMap((member) => keyset.stateOf(member).current ?? []).toReversed();
  assert.equal((await keyset.compose(turned, versions)).keyId, current?.keyId);
});

for (const lost of ["vault", "tpm"] as const)
  test(`an anyOf key decrypts without ${lost}`, async (t) => {
    const all = await started(t);
    const object = await all.service.encrypt(SEED);
    all[lost].failure = OFFLINE;
    assert.deepEqual(await whilePassing(all.pass, all.service.decrypt(object)), SEED);
  });

for (const lost of ["vault", "tpm"] as const)
  test(`an allOf key decrypts nothing without ${lost}`, async (t) => {
    const all = await started(t, "allOf");
    const object = await all.service.encrypt(SEED);
    assert.deepEqual(await all.service.decrypt(object), SEED);
    all[lost].failure = new KleidiError("credential-refused/login", "Cannot call: refused");
    await assertFailure(t, "credential-refused", () => all.service.decrypt(object));
  });

test("with one wrap changed, an anyOf key decrypts by the other one; with both changed it says that the object is damaged", async (t) => {
  const { service } = await started(t);
  const object = await service.encrypt(SEED);
  for (const name of ["wrap-1.kleidi.dev", "wrap-2.kleidi.dev"]) {
    const length = object.annotations[name]?.length ?? 0;
    for (const at of [0, 2, 20, length - 3, length - 1])
      assert.deepEqual(await service.decrypt(changed(object, name, at)), SEED, `${name} ${at}`);
    const { [name]: _, ...annotations } = object.annotations;
    assert.deepEqual(await service.decrypt({ ...object, annotations }), SEED, `${name} is missing`);
  }
  const both = changed(changed(object, "wrap-1.kleidi.dev", 20), "wrap-2.kleidi.dev", 20);
  await assertFailure(t, "ciphertext-invalid", () => service.decrypt(both));
});

test("no byte of an allOf object can be changed, those of a member's annotations included", async (t) => {
  const { service, prober, tpm } = setUp(t, "allOf");
  // The fake provider does not authenticate its annotations, as a real one may not.
  tpm.annotations = [{ name: "a.example.com", value: Uint8Array.of(1, 2, 3) }];
  await prober.start();
  const object = await service.encrypt(SEED);
  assert.deepEqual(await service.decrypt(object), SEED);
  for (const name of ["wrap-1.kleidi.dev", "wrap-2.kleidi.dev"])
    for (let at = 0; at < (object.annotations[name]?.length ?? 0); at++)
      await assert.rejects(
        service.decrypt(changed(object, name, at)),
        { code: "ciphertext-invalid" },
        `${name} ${at}`,
      );
  for (let at = 0; at < object.ciphertext.length; at++) {
    const ciphertext = object.ciphertext.map((byte, i) => (i === at ? byte ^ 1 : byte));
    await assert.rejects(service.decrypt({ ...object, ciphertext }), `ciphertext ${at}`);
  }
});

test("a wrap of another object of the same key is refused", async (t) => {
  const { service } = await started(t, "allOf");
  const [one, other] = [await service.encrypt(SEED), await service.encrypt(SEED)];
  for (const name of ["wrap-1.kleidi.dev", "wrap-2.kleidi.dev"]) {
    const mixed = { ...one, annotations: { ...one.annotations, [name]: other.annotations[name] ?? SEED } };
    assert.equal((await failureOf(() => service.decrypt(mixed))).code, "ciphertext-invalid", name);
  }
});

test("a wrap of another object of an anyOf key does not open this one, and the other wrap does", async (t) => {
  const { service } = await started(t);
  const [one, other] = [await service.encrypt(SEED), await service.encrypt(SEED.map((byte) => byte ^ 1))];
  const name = "wrap-1.kleidi.dev";
  const mixed = { ...one, annotations: { ...one.annotations, [name]: other.annotations[name] ?? SEED } };
  assert.deepEqual(await service.decrypt(mixed), SEED);
});

test("a wrap cannot be presented as an object of its member, nor an object of a member as a wrap", async (t) => {
  const { service, keyset, members } = await started(t);
  const object = await service.encrypt(SEED);
  const { header } = decodeCiphertext(object.ciphertext);
  const wrap = object.annotations["wrap-1.kleidi.dev"] ?? SEED;
  // Two bytes of length, the ciphertext, and two bytes for no annotations.
  const alone = { ciphertext: wrap.slice(2, -2), keyId: header.keyIds[0] ?? "", annotations: FORMAT_1 };
  assert.equal((await failureOf(() => service.decrypt(alone))).code, "ciphertext-invalid");
  const [first, second] = header.keyIds.map((keyId) => keyset.decryptWith(keyId));
  assert.ok(first !== undefined && second !== undefined);
  const own = await seal(first, SEED);
  assert.ok(members.includes(first.key));
  const forged = Uint8Array.of(
    own.ciphertext.length >> 8,
    own.ciphertext.length & 255,
    ...own.ciphertext,
    0,
    0,
  );
  const all = {
    "format.kleidi.dev": object.annotations["format.kleidi.dev"] ?? SEED,
    "wrap-1.kleidi.dev": forged,
    "wrap-2.kleidi.dev": forged,
  };
  assert.equal(
    (await failureOf(() => service.decrypt({ ...object, annotations: all }))).code,
    "ciphertext-invalid",
  );
});

test("a wrap of one composed key does not open an object of another one with the same members", async (t) => {
  const { service, keyset, prober } = setUp(t, "anyOf", (members) => [
    { name: "other", mode: "anyOf", members, use: "decrypt" },
  ]);
  await prober.start();
  const object = await service.encrypt(SEED);
  const { header, ...content } = decodeCiphertext(object.ciphertext);
  const other = keyset.states().find(({ key }) => key.name === "other")?.current;
  const moved = {
    ...object,
    ciphertext: encodeCiphertext({ header, ...content }),
    keyId: other?.keyId ?? "",
  };
  assert.equal((await failureOf(() => service.decrypt(moved))).code, "ciphertext-invalid");
});

test("an object whose header names other members than its key_id is refused", async (t) => {
  const { service } = await started(t);
  const object = await service.encrypt(SEED);
  const { header, ...content } = decodeCiphertext(object.ciphertext);
  const fewer = { ...header, keyIds: header.keyIds.slice(0, 1) };
  const ciphertext = encodeCiphertext({ header: fewer, ...content });
  await assertFailure(t, "key-unknown", () => service.decrypt({ ...object, ciphertext }));
});

test("an object of a composed key with an annotation more is refused", async (t) => {
  const { service } = await started(t);
  const object = await service.encrypt(SEED);
  const annotations = { ...object.annotations, "wrap-3.kleidi.dev": SEED };
  await assertFailure(t, "annotations-invalid", () => service.decrypt({ ...object, annotations }));
});

test("a ciphertext of a composed key that is cut is refused", async (t) => {
  const { service } = await started(t);
  const object = await service.encrypt(SEED);
  await assertFailure(t, "ciphertext-invalid", () =>
    service.decrypt({ ...object, ciphertext: object.ciphertext.slice(0, 40) }),
  );
});

test("members with annotations that fit alone and not together fail the probe and Encrypt by name", async (t) => {
  const { service, prober, vault, tpm } = setUp(t);
  for (const member of [vault, tpm])
    member.annotations = [{ name: "a.example.com", value: new Uint8Array(20_000) }];
  await prober.start();
  await assertFailure(t, "provider-fault", () => service.status());
  assert.equal((await failureOf(() => service.encrypt(SEED))).fault, "provider-fault/wraps");
});

test("a member that begins to write long annotations between two probes fails Encrypt", async (t) => {
  const { service, vault, tpm } = await started(t);
  for (const member of [vault, tpm])
    member.annotations = [{ name: "a.example.com", value: new Uint8Array(20_000) }];
  assert.equal((await failureOf(() => service.encrypt(SEED))).fault, "provider-fault/wraps");
});

test("at a cold start with a member out of reach, an anyOf key is ready without it, and says so", async (t) => {
  const all = setUp(t);
  all.vault.statusGate = new Promise(() => {});
  void all.prober.start();
  const keyId = await whilePassing(all.pass, all.service.status());
  const object = await all.service.encrypt(SEED);
  assert.equal(object.keyId, keyId);
  assert.equal(decodeCiphertext(object.ciphertext).header.keyIds.length, 1);
  assert.deepEqual(all.changes.at(-1)?.without, ["vault-kek"]);
});

test("at a cold start, an object with two wraps is decrypted by the member that answered", async (t) => {
  const { service, vault, tpm, members, pass, options, prober: former } = await started(t);
  const object = await service.encrypt(SEED);
  former.stop();
  vault.statusGate = new Promise(() => {});
  const keyset = new Keyset([...members, { name: "both", mode: "anyOf", members, use: "active" }]);
  const prober = new Prober(keyset, options);
  t.after(() => prober.stop());
  void prober.start();
  const calls = vault.count("decrypt");
  assert.deepEqual(await whilePassing(pass, new KmsService(keyset, prober).decrypt(object)), SEED);
  assert.equal(vault.count("decrypt"), calls);
  assert.ok(tpm.count("decrypt") > 0);
});

test("an allOf key waits for all its members at the start", async (t) => {
  const all = setUp(t, "allOf");
  all.vault.statusGate = new Promise(() => {});
  void all.prober.start();
  const failure = await failureOf(() => whilePassing(all.pass, all.service.status()));
  assert.equal(failure.fault, "key-not-ready/starting");
});

test("a member that goes away leaves the key after the bound, and the key_id names the rest; back for a minute, it returns", async (t) => {
  const { service, vault, changes, pass } = await started(t);
  const full = await service.encrypt(SEED);
  vault.failure = OFFLINE;
  await pass(LEAVE_AFTER_MS);
  assert.equal(await service.status(), full.keyId, "a short outage changes nothing");
  await pass(6_000);
  const reduced = await service.encrypt(SEED);
  assert.notEqual(reduced.keyId, full.keyId);
  assert.equal(reduced.keyId, await service.status());
  assert.deepEqual(changes.at(-1)?.without, ["vault-kek"]);
  vault.failure = undefined;
  await pass(RETURN_AFTER_MS - 2_000, 500);
  assert.equal(await service.status(), reduced.keyId);
  await pass(5_000);
  assert.equal(await service.status(), full.keyId, "the same wraps have the same key_id");
  assert.deepEqual(changes.at(-1)?.without, []);
  for (const object of [full, reduced]) assert.deepEqual(await service.decrypt(object), SEED);
});

test("a blip of a few seconds does not change the key_id", async (t) => {
  const { service, vault, changes, pass } = await started(t);
  const keyId = await service.status();
  const before = changes.filter(({ key }) => key.name === "both").length;
  for (let i = 0; i < 5; i++) {
    vault.failure = OFFLINE;
    await pass(8_000);
    vault.failure = undefined;
    await pass(3_000);
    assert.equal(await service.status(), keyId);
  }
  assert.equal(changes.filter(({ key }) => key.name === "both").length, before);
});

test("the version of a member that is rotated changes the key_id, and older objects are decrypted", async (t) => {
  const { service, vault, pass } = await started(t);
  const object = await service.encrypt(SEED);
  Object.assign(vault, { version: "2", olderVersions: ["1"] });
  await pass(3_000);
  assert.notEqual(await service.status(), object.keyId);
  assert.deepEqual(await service.decrypt(object), SEED);
});

test("the probes ask each provider for its Status once, and test the members of the active key with Encrypt and Decrypt", async (t) => {
  const { vault, tpm } = await started(t);
  for (const member of [vault, tpm]) assert.deepEqual(member.calls, ["status", "encrypt", "decrypt"]);
});

test("a member of the active key that cannot encrypt has failed", async (t) => {
  const { keyset, prober, vault, members } = setUp(t);
  vault.encrypt = async () => {
    throw new KleidiError("credential-refused/login", "Cannot encrypt: refused");
  };
  await prober.start();
  assert.equal(keyset.stateOf(members[0] as SimpleKey).failure?.code, "credential-refused");
});

test("if all members are out of reach, Status fails with their failures, and Encrypt is repeated until one answers", async (t) => {
  const { service, vault, tpm, pass } = await started(t);
  const object = await service.encrypt(SEED);
  for (const member of [vault, tpm]) member.failure = OFFLINE;
  const decrypted = service.decrypt(object);
  await pass(1_000);
  tpm.failure = undefined;
  assert.deepEqual(await whilePassing(pass, decrypted), SEED);
  tpm.failure = OFFLINE;
  await pass(8_000);
  await assertFailure(t, "backend-unreachable", () => service.status());
});

test("the healthiest member is asked first", async (t) => {
  const { service, vault, tpm, pass } = await started(t);
  const object = await service.encrypt(SEED);
  vault.failure = new KleidiError("credential-refused/login", "Cannot call: refused");
  await pass(3_000);
  const calls = vault.count("decrypt");
  assert.deepEqual(await service.decrypt(object), SEED);
  assert.equal(vault.count("decrypt"), calls);
  assert.ok(tpm.count("decrypt") > 1);
});

test("a member that hangs is overtaken by the other one", async (t) => {
  const { service, vault, tpm, pass } = await started(t);
  const object = await service.encrypt(SEED);
  const before = [vault.count("decrypt"), tpm.count("decrypt")];
  const gate = Promise.withResolvers<void>();
  for (const member of [vault, tpm]) {
    member.decryptGate = gate.promise;
    const decrypted = service.decrypt(object);
    await settle();
    const other = member === vault ? tpm : vault;
    assert.deepEqual(await whilePassing(pass, decrypted), SEED);
    member.decryptGate = undefined;
    assert.ok(other.count("decrypt") > 1);
  }
  gate.resolve();
  assert.ok(before.every((count) => count > 0));
});

test("a member that was removed from the key, and decrypts still, opens the objects of that time", async (t) => {
  const { service, members, tpm, vault } = await started(t);
  const object = await service.encrypt(SEED);
  const spare = new FakeKms("spare");
  const [former, kept] = members as [SimpleKey, SimpleKey];
  const added: SimpleKey = { name: "spare-kek", provider: spare, use: "member" };
  const keyset = new Keyset([
    { ...former, use: "decrypt" },
    kept,
    added,
    { name: "both", mode: "anyOf", members: [kept, added], use: "active" },
  ]);
  const prober = new Prober(keyset, { intervalMs: INTERVAL, onChange: () => {} });
  t.after(() => prober.stop());
  await prober.start();
  const next = new KmsService(keyset, prober);
  assert.notEqual(await next.status(), object.keyId);
  tpm.failure = new KleidiError("credential-refused/login", "Cannot call: refused");
  assert.deepEqual(await next.decrypt(object), SEED);
  assert.ok(vault.count("decrypt") > 0);
});

test("a wrap of a key that is not configured is passed over by anyOf, and refused by allOf by name", async (t) => {
  for (const mode of ["anyOf", "allOf"] as const) {
    const { service, keyset, members } = await started(t, mode);
    const object = await service.encrypt(SEED);
    const [, kept] = members as [SimpleKey, SimpleKey];
    const spare: SimpleKey = { name: "spare-kek", provider: new FakeKms("spare"), use: "member" };
    const next = new Keyset([kept, spare, { name: "both", mode, members: [kept, spare], use: "active" }]);
    const prober = new Prober(next, { intervalMs: INTERVAL, onChange: () => {} });
    t.after(() => prober.stop());
    await prober.start();
    const decrypted = new KmsService(next, prober).decrypt(object);
    if (mode === "anyOf") assert.deepEqual(await decrypted, SEED);
    else await assertFailure(t, "key-unknown", () => decrypted);
    assert.ok(keyset);
    t.mock.reset();
  }
});
