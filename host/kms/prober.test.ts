import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { assertFailure } from "../../test/support/failures.ts";
import { KleidiError } from "../error.ts";
import type { KeyChange } from "./key-change.ts";
import { deriveKeyId } from "./key-id.ts";
import { Keyset, type SimpleKey } from "./keyset.ts";
import { Prober } from "./prober.ts";
import type { Provider } from "./provider.ts";

const INTERVAL = 1_000;
const flip = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0x5a);
const offline = new KleidiError("backend-unreachable/connection", "Cannot status: offline");
const refused = new KleidiError("credential-refused/login", "Cannot status: refused");

class FakeProvider implements Provider {
  readonly name = "vault";
  version = "1";
  failure: unknown;
  encryptFailure: unknown;
  statuses = 0;
  encrypts = 0;
  refusals = 0;
  /** Status waits for it, if it is set. */
  gate: Promise<void> | undefined;

  async status() {
    this.statuses += 1;
    await this.gate;
    if (this.failure !== undefined) {
      this.refusals += 1;
      throw this.failure;
    }
    return { version: this.version, olderVersions: [] };
  }

  /** A version that this provider refuses to encrypt with. */
  refusedVersion: string | undefined;

  async encrypt({ plaintext, version }: { plaintext: Uint8Array; version: string }) {
    this.encrypts += 1;
    if (version === this.refusedVersion) throw refused;
    if (this.encryptFailure !== undefined) throw this.encryptFailure;
    return { ciphertext: flip(plaintext), annotations: [] };
  }

  async decrypt({ ciphertext }: { ciphertext: Uint8Array }) {
    return flip(ciphertext);
  }
}

/** A keyset of one active key under mock timers, without jitter; only tick() advances the time. */
function setUp(
  t: TestContext,
  use: "active" | "decrypt" = "active",
  stableProbes = 1,
  pin?: string,
  intervalMs = INTERVAL,
  mayRotate = false,
) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 0.5);
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const provider = new FakeProvider();
  const key: SimpleKey = { name: "main", provider, use, pin };
  const keyset = new Keyset([key]);
  const added = t.mock.method(keyset, "addVersions");
  const changes: KeyChange[] = [];
  const results: string[] = [];
  const onChange = (change: KeyChange) => changes.push(change);
  const onProbe = (_: unknown, result: string) => results.push(result);
  const prober = new Prober(keyset, {
    intervalMs,
    stableProbes,
    onChange,
    onProbe,
    mayRotate: () => mayRotate,
  });
  t.after(() => prober.stop());
  return {
    provider,
    key,
    keyset,
    changes,
    results,
    prober,
    tick(ms: number) {
      now += ms;
      t.mock.timers.tick(ms);
    },
    /** Waits until this many probes have ended since the start, and for the work after the last one. */
    async probes(count: number) {
      while (results.filter((result) => result !== "unknown").length < count) await immediate();
      for (let i = 0; i < 3; i++) await immediate();
    },
    /** Waits until the version was read this many times since the start, and for the work after the last one. */
    async looks(count: number) {
      while (added.mock.callCount() + provider.refusals < count) await immediate();
      await Promise.allSettled(added.mock.calls.map(({ result }) => result));
      for (let i = 0; i < 5; i++) await immediate();
    },
  };
}

function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("start resolves with the key ready", async (t) => {
  const { prober, keyset } = setUp(t);
  await prober.start();
  assert.equal(keyset.encryptWith().keyId, await deriveKeyId("main", "1"));
});

test("start resolves with a failed key", async (t) => {
  const { prober, provider, keyset } = setUp(t);
  provider.failure = offline;
  await prober.start();
  assert.throws(() => keyset.encryptWith(), offline);
});

test("a probe of the active key encrypts once", async (t) => {
  const { prober, provider } = setUp(t);
  await prober.start();
  assert.equal(provider.encrypts, 1);
});

test("a probe of a decrypt-only key does not encrypt", async (t) => {
  const { prober, provider } = setUp(t, "decrypt");
  await prober.start();
  assert.equal(provider.encrypts, 0);
});

test("an active key that answers Status but cannot encrypt is reported as failed", async (t) => {
  const { prober, provider, keyset } = setUp(t);
  provider.encryptFailure = refused;
  await prober.start();
  assert.throws(() => keyset.encryptWith(), refused);
});

test("an invalid Status reply fails the key", async (t) => {
  const { prober, provider, keyset } = setUp(t);
  provider.version = "";
  await prober.start();
  await assertFailure(t, "provider-fault", () => keyset.encryptWith());
});

test("an unexpected failure of a probe is a host-fault", async (t) => {
  const { prober, provider, keyset } = setUp(t);
  provider.failure = new TypeError("secret");
  await prober.start();
  assert.throws(() => keyset.encryptWith(), {
    code: "host-fault",
    message: 'Cannot probe key "main": an unexpected failure in the host',
  });
});

test("onChange reports the first successful probe", async (t) => {
  const { prober, changes, key } = setUp(t);
  await prober.start();
  assert.deepEqual(changes, [{ key, keyId: await deriveKeyId("main", "1") }]);
});

test("onChange reports the first failure", async (t) => {
  const { prober, provider, changes, key } = setUp(t);
  provider.failure = offline;
  await prober.start();
  assert.deepEqual(changes, [{ key, failure: offline }]);
});

test("onChange is not called while nothing changes", async (t) => {
  const { prober, changes, tick, probes } = setUp(t);
  await prober.start();
  tick(INTERVAL);
  await probes(2);
  assert.equal(changes.length, 1);
});

test("onChange is not called while the key fails with the same failure", async (t) => {
  const { prober, provider, changes, tick, probes } = setUp(t);
  provider.failure = offline;
  await prober.start();
  tick(250);
  await probes(2);
  assert.equal(changes.length, 1);
});

test("onChange reports a different failure", async (t) => {
  const { prober, provider, changes, key, tick, probes } = setUp(t);
  provider.failure = offline;
  await prober.start();
  provider.failure = refused;
  tick(250);
  await probes(2);
  assert.deepEqual(changes.at(-1), { key, failure: refused });
});

test("onChange reports a failure with a different cause, and not one with the same cause", async (t) => {
  const { prober, provider, changes, tick, probes } = setUp(t);
  const withCause = (cause: unknown) =>
    new KleidiError("backend-unreachable/connection", "Cannot status: no answer", cause);
  const loop = new Error("round");
  loop.cause = loop;
  const causes = [
    () => new Error("ECONNREFUSED"),
    () => new Error("certificate has expired"),
    () => new Error("certificate has expired", { cause: new Error("by a day") }),
    () => "a text of the provider",
    () => loop,
    () => undefined,
  ];
  provider.failure = withCause(causes[0]?.());
  await prober.start();
  let count = 1;
  for (const cause of [...causes, ...causes.slice(-1)].flatMap((each) => [each, each])) {
    provider.failure = withCause(cause());
    tick(INTERVAL);
    count += 1;
    await probes(count);
  }
  assert.deepEqual(
    changes.map(({ failure }) => String(failure?.cause)),
    causes.map((cause) => String(cause())),
  );
});

test("onChange reports the recovery", async (t) => {
  const { prober, provider, changes, key, tick, probes } = setUp(t);
  provider.failure = offline;
  await prober.start();
  provider.failure = undefined;
  tick(250);
  await probes(2);
  assert.deepEqual(changes.at(-1), { key, keyId: await deriveKeyId("main", "1") });
});

test("onChange reports a new version", async (t) => {
  const { prober, provider, changes, key, tick, probes } = setUp(t);
  await prober.start();
  provider.version = "2";
  tick(INTERVAL);
  await probes(2);
  assert.deepEqual(changes.at(-1), { key, keyId: await deriveKeyId("main", "2") });
});

test("a new version that cannot encrypt leaves the key failed and the old version routed", async (t) => {
  const { prober, provider, keyset, tick, probes } = setUp(t);
  await prober.start();
  const before = keyset.encryptWith();
  provider.version = "2";
  provider.encryptFailure = refused;
  tick(INTERVAL);
  await probes(2);
  assert.throws(() => keyset.encryptWith(), refused);
  assert.equal(keyset.decryptWith(before.keyId), before);
});

test("no probe starts before the end of the interval", async (t) => {
  const { prober, provider, tick } = setUp(t);
  await prober.start();
  tick(INTERVAL - 1);
  assert.equal(provider.statuses, 1);
});

test("the next probe starts at the end of the interval", async (t) => {
  const { prober, provider, tick } = setUp(t);
  await prober.start();
  tick(INTERVAL);
  assert.equal(provider.statuses, 2);
});

test("after failures, probes start after 250 and 500 ms, then after the interval", async (t) => {
  const { prober, provider, tick, probes } = setUp(t);
  provider.failure = offline;
  await prober.start();
  const counts: number[] = [];
  let done = 1;
  for (const delay of [250, 500, INTERVAL, INTERVAL]) {
    tick(delay - 1);
    counts.push(provider.statuses);
    tick(1);
    counts.push(provider.statuses);
    done += 1;
    await probes(done);
  }
  assert.deepEqual(counts, [1, 2, 2, 3, 3, 4, 4, 5]);
});

test("a successful probe resets the back-off", async (t) => {
  const { prober, provider, tick, probes } = setUp(t);
  provider.failure = offline;
  await prober.start();
  tick(250);
  await probes(2);
  provider.failure = undefined;
  tick(500);
  await probes(3);
  provider.failure = offline;
  tick(INTERVAL);
  await probes(4);
  tick(250);
  assert.equal(provider.statuses, 5);
});

test("the jitter keeps a probe within a tenth of the interval", async (t) => {
  const { prober, provider, tick } = setUp(t);
  t.mock.method(Math, "random", () => 0);
  await prober.start();
  tick(INTERVAL * 0.9 - 1);
  assert.equal(provider.statuses, 1);
  tick(1);
  assert.equal(provider.statuses, 2);
});

test("probeNow starts a probe at once", async (t) => {
  const { prober, provider, key } = setUp(t);
  await prober.start();
  prober.probeNow(key);
  assert.equal(provider.statuses, 2);
});

test("the interval starts at the end of the probe of probeNow", async (t) => {
  const { prober, provider, key, tick, probes } = setUp(t);
  await prober.start();
  tick(INTERVAL - 1);
  prober.probeNow(key);
  await probes(2);
  tick(INTERVAL - 1);
  assert.equal(provider.statuses, 2);
});

test("probeNow never runs two probes at the same time", async (t) => {
  const { prober, provider, key } = setUp(t);
  await prober.start();
  provider.gate = new Promise(() => {});
  prober.probeNow(key);
  prober.probeNow(key);
  assert.equal(provider.statuses, 2);
});

test("probeNow during a probe starts one more after it", async (t) => {
  const { prober, provider, key, tick, probes } = setUp(t);
  await prober.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  provider.gate = promise;
  prober.probeNow(key);
  for (let i = 0; i < 5; i++) prober.probeNow(key);
  provider.gate = undefined;
  resolve();
  await probes(2);
  tick(1);
  await probes(3);
  tick(INTERVAL - 10);
  assert.equal(provider.statuses, 3);
});

test("probeNow does not shorten the back-off of a failed key", async (t) => {
  const { prober, provider, key } = setUp(t);
  provider.failure = offline;
  await prober.start();
  prober.probeNow(key);
  assert.equal(provider.statuses, 1);
});

test("probeNow with a key outside the keyset does nothing", async (t) => {
  const { prober, provider, key } = setUp(t);
  await prober.start();
  prober.probeNow({ ...key });
  assert.equal(provider.statuses, 1);
});

test("stop ends the probes", async (t) => {
  const { prober, provider, tick } = setUp(t);
  await prober.start();
  prober.stop();
  tick(INTERVAL * 10);
  assert.equal(provider.statuses, 1);
});

test("no probe follows one that runs during stop", async (t) => {
  const { prober, provider, key, tick, probes } = setUp(t);
  await prober.start();
  prober.probeNow(key);
  prober.stop();
  await probes(2);
  tick(INTERVAL * 10);
  assert.equal(provider.statuses, 2);
});

test("probeNow after stop does not call the provider", async (t) => {
  const { prober, provider, key } = setUp(t);
  await prober.start();
  prober.stop();
  prober.probeNow(key);
  assert.equal(provider.statuses, 1);
});

test("assertFresh accepts a probe that ended six intervals ago", async (t) => {
  const { prober, provider, tick } = setUp(t);
  await prober.start();
  provider.gate = new Promise(() => {});
  tick(INTERVAL * 6);
  assert.equal(prober.assertFresh(), undefined);
});

test("assertFresh refuses a probe that ended more than six intervals ago", async (t) => {
  const { prober, provider, tick } = setUp(t);
  await prober.start();
  provider.gate = new Promise(() => {});
  tick(INTERVAL * 6 + 1);
  await assertFailure(t, "key-not-ready", () => prober.assertFresh());
});

test("assertFresh passes again after the next probe", async (t) => {
  const { prober, provider, tick, probes } = setUp(t);
  await prober.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  provider.gate = promise;
  tick(INTERVAL * 7);
  resolve();
  await probes(2);
  assert.equal(prober.assertFresh(), undefined);
});

test("a hanging probe does not delay the probes of other keys", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const hanging = new FakeProvider();
  hanging.gate = new Promise(() => {});
  const well = new FakeProvider();
  const keyset = new Keyset([
    { name: "main", provider: well, use: "active" },
    { name: "old", provider: hanging, use: "decrypt" },
  ]);
  const prober = new Prober(keyset, { intervalMs: INTERVAL, onChange: () => {} });
  t.after(() => prober.stop());
  void prober.start();
  await prober.firstProbe(keyset.active.key);
  assert.equal(keyset.encryptWith().version, "1");
});

test("a new version encrypts after three consecutive probes, and decrypts from the first one on", async (t) => {
  const { prober, provider, keyset, changes, tick, probes } = setUp(t, "active", 3);
  await prober.start();
  provider.version = "2";
  const next = await deriveKeyId("main", "2");
  for (const count of [2, 3]) {
    tick(INTERVAL);
    await probes(count);
    assert.equal(keyset.encryptWith().version, "1");
    assert.equal(keyset.decryptWith(next).version, "2");
  }
  tick(INTERVAL);
  await probes(4);
  assert.equal(keyset.encryptWith().version, "2");
  assert.deepEqual(
    changes.map(({ pendingVersion, keyId }) => pendingVersion ?? keyId),
    [await deriveKeyId("main", "1"), "2", next],
  );
});

test("a retired version that a lagging replica keeps reporting changes nothing", async (t) => {
  const { prober, provider, keyset, changes, tick, probes } = setUp(t, "active", 2);
  await prober.start();
  provider.version = "2";
  for (const count of [2, 3]) {
    tick(INTERVAL);
    await probes(count);
  }
  provider.version = "1";
  const before = changes.length;
  for (const count of [4, 5, 6, 7]) {
    tick(INTERVAL);
    await probes(count);
    assert.equal(keyset.encryptWith().version, "2");
  }
  assert.equal(changes.length, before);
});

test("after a restore without the active version, the key fails with the failure of the KMS", async (t) => {
  const { prober, provider, keyset, tick, probes } = setUp(t, "active", 1);
  await prober.start();
  provider.version = "2";
  tick(INTERVAL);
  await probes(2);
  provider.version = "1";
  provider.refusedVersion = "2";
  tick(INTERVAL);
  await probes(3);
  assert.throws(() => keyset.encryptWith(), refused);
});

test("if the active version can no longer encrypt, the new one is adopted after retries, not intervals", async (t) => {
  const { prober, provider, keyset, tick, probes } = setUp(t, "active", 3);
  await prober.start();
  provider.version = "2";
  provider.refusedVersion = "1";
  tick(INTERVAL);
  await probes(2);
  assert.throws(() => keyset.encryptWith(), refused);
  tick(250);
  await probes(3);
  tick(500);
  await probes(4);
  assert.equal(keyset.encryptWith().version, "2");
});

test("a pinned key fails at once when another version is reported", async (t) => {
  const { prober, provider, keyset, tick, probes } = setUp(t, "active", 3, "1");
  await prober.start();
  provider.version = "2";
  tick(INTERVAL);
  await probes(2);
  assert.throws(() => keyset.encryptWith(), { code: "key-not-ready" });
});

test("onProbe reports every probe, also without a change and with an unknown result", async (t) => {
  const { prober, provider, results, tick, probes } = setUp(t);
  await prober.start();
  tick(INTERVAL);
  await probes(2);
  provider.failure = offline;
  tick(INTERVAL);
  await probes(3);
  provider.failure = new KleidiError("overloaded/full", "Cannot status: full");
  tick(250);
  await probes(3);
  assert.deepEqual(results, ["good", "good", "failed", "unknown"]);
});

const LONG = 10_000;

test("while a new version is pending, looks follow after 0.75 s; the one that adopts it encrypts", async (t) => {
  const { prober, provider, keyset, tick, looks } = setUp(t, "active", 3, undefined, LONG);
  await prober.start();
  provider.version = "2";
  tick(LONG);
  await looks(2);
  const { encrypts } = provider;
  for (const count of [3, 4]) {
    tick(749);
    assert.equal(provider.statuses, count - 1);
    assert.equal(keyset.encryptWith().version, "1");
    assert.equal(provider.encrypts, encrypts);
    tick(1);
    await looks(count);
  }
  assert.equal(keyset.encryptWith().version, "2");
  assert.equal(provider.encrypts, encrypts + 1);
  tick(750);
  assert.equal(provider.statuses, 4, "the interval is the configured one again");
});

test("a version that is reported once is not adopted by faster probes", async (t) => {
  const { prober, provider, keyset, tick, looks } = setUp(t, "active", 3, undefined, LONG);
  await prober.start();
  provider.version = "2";
  tick(LONG);
  await looks(2);
  provider.version = "1";
  tick(750);
  await looks(3);
  assert.equal(keyset.encryptWith().version, "1");
  tick(750);
  assert.equal(provider.statuses, 3, "nothing is pending any more");
});

test("refresh resolves when a pending version is adopted", async (t) => {
  const { prober, provider, keyset, tick, looks } = setUp(t, "active", 3, undefined, LONG);
  await prober.start();
  provider.version = "2";
  let done = false;
  const refreshed = prober.refresh().then(() => {
    done = true;
  });
  await looks(2);
  tick(750);
  await looks(3);
  assert.equal(done, false);
  tick(750);
  await refreshed;
  assert.equal(keyset.encryptWith().version, "2");
  assert.equal(provider.statuses, 4);
});

/** The steps of a loop that looks every 2.5 s at a key with the default interval. */
const STEP = 2_500;

test("the version of a key that others may rotate is read four times in an interval, and the key is used once", async (t) => {
  const { prober, provider, results, tick, looks } = setUp(t, "active", 3, undefined, LONG, true);
  await prober.start();
  for (let count = 2; count <= 9; count++) {
    tick(STEP);
    await looks(count);
  }
  assert.equal(provider.encrypts, 3, "at the start, after 10 s, after 20 s");
  assert.deepEqual(results, ["good", "good", "good"], "a look is not reported as a probe");
});

test("a rotated version is adopted 4 s later at the latest", async (t) => {
  const { prober, provider, keyset, tick, looks } = setUp(t, "active", 3, undefined, LONG, true);
  await prober.start();
  provider.version = "2";
  for (const [i, ms] of [STEP, 750, 750].entries()) {
    assert.equal(keyset.encryptWith().version, "1");
    tick(ms);
    await looks(i + 2);
  }
  assert.equal(keyset.encryptWith().version, "2");
});

for (const [intervalMs, stepMs] of [
  [1_000, 1_000],
  [5_000, 2_500],
  [60_000, 15_000],
] as const) {
  test(`with an interval of ${intervalMs} ms the version is read every ${stepMs} ms`, async (t) => {
    const { prober, provider, tick } = setUp(t, "active", 3, undefined, intervalMs, true);
    await prober.start();
    tick(stepMs - 1);
    assert.equal(provider.statuses, 1);
    tick(1);
    assert.equal(provider.statuses, 2);
  });
}

for (const [what, use, pin] of [
  ["decrypt-only", "decrypt", undefined],
  ["pinned", "active", "1"],
] as const) {
  test(`a ${what} key is read once in an interval`, async (t) => {
    const { prober, provider, tick } = setUp(t, use, 3, pin, LONG, true);
    await prober.start();
    tick(LONG - 1);
    assert.equal(provider.statuses, 1);
  });
}

test("a look that fails is a failed probe: the next one follows after 250 ms and uses the key", async (t) => {
  const { prober, provider, keyset, results, tick, looks, probes } = setUp(
    t,
    "active",
    3,
    undefined,
    LONG,
    true,
  );
  await prober.start();
  provider.failure = refused;
  tick(STEP);
  await looks(2);
  assert.throws(() => keyset.encryptWith(), refused);
  provider.failure = undefined;
  tick(250);
  await probes(3);
  assert.equal(provider.encrypts, 2);
  assert.deepEqual(results, ["good", "failed", "good"]);
});

test("looks that succeed do not make the last probe younger: Status fails when no probe ends", async (t) => {
  const { prober, provider, tick, looks } = setUp(t, "active", 3, undefined, LONG, true);
  await prober.start();
  for (let count = 2; count <= 4; count++) {
    tick(STEP);
    await looks(count);
  }
  provider.gate = new Promise(() => {});
  tick(LONG * 6 - 3 * STEP);
  prober.assertFresh();
  tick(1);
  assert.throws(() => prober.assertFresh(), { code: "key-not-ready" });
});

test("callers that ask for a look share it, and a second passes between the starts of two", async (t) => {
  const { prober, provider, tick, looks } = setUp(t, "active", 3, undefined, LONG, true);
  await prober.start();
  for (let count = 2; count <= 4; count++) {
    const asked = Array.from({ length: 64 }, () => prober.lookForVersions());
    tick(999);
    assert.equal(provider.statuses, count - 1);
    tick(1);
    await looks(count);
    await Promise.all(asked);
  }
  assert.equal(provider.encrypts, 1);
});

test("a look that is asked for during another one is a second one", async (t) => {
  const { prober, provider, tick, looks } = setUp(t, "active", 3, undefined, LONG, true);
  await prober.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  provider.gate = promise;
  tick(STEP);
  let done = false;
  const asked = prober.lookForVersions()?.then(() => {
    done = true;
  });
  provider.gate = undefined;
  resolve();
  await looks(2);
  assert.equal(done, false, "the first one may have read the version before");
  tick(1_000);
  await asked;
  assert.equal(provider.statuses, 3);
});

test("nobody waits for a look at a key that failed, at one that cannot be rotated, or after stop", async (t) => {
  const failed = setUp(t, "active", 3, undefined, LONG, true);
  failed.provider.failure = offline;
  await failed.prober.start();
  assert.equal(failed.prober.lookForVersions(), undefined);
  for (const [pin, mayRotate] of [
    ["1", true],
    [undefined, false],
  ] as const) {
    t.mock.timers.reset();
    t.mock.restoreAll();
    const { prober } = setUp(t, "active", 3, pin, LONG, mayRotate);
    await prober.start();
    assert.equal(prober.lookForVersions(), undefined);
  }
  t.mock.timers.reset();
  t.mock.restoreAll();
  const { prober, tick } = setUp(t, "active", 3, undefined, LONG, true);
  await prober.start();
  const asked = prober.lookForVersions();
  prober.stop();
  await asked;
  tick(LONG);
  assert.equal(prober.lookForVersions(), undefined);
});

test("refresh without a new version resolves after one probe of each key", async (t) => {
  const { prober, provider } = setUp(t);
  await prober.start();
  await prober.refresh();
  assert.equal(provider.statuses, 2);
});

test("refresh during a probe waits for the next one, which started after it was called", async (t) => {
  const { prober, provider, key, keyset, tick, probes } = setUp(t);
  await prober.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  provider.gate = promise;
  prober.probeNow(key);
  const refreshed = prober.refresh();
  provider.gate = undefined;
  provider.version = "2";
  resolve();
  await probes(2);
  tick(1);
  await refreshed;
  assert.equal(provider.statuses, 3);
  assert.equal(keyset.encryptWith().version, "2");
});

test("refresh probes a failed key at once", async (t) => {
  const { prober, provider, keyset } = setUp(t);
  provider.failure = offline;
  await prober.start();
  provider.failure = undefined;
  await prober.refresh();
  assert.equal(keyset.encryptWith().version, "1");
});

test("refresh gives up on versions that never settle", async (t) => {
  const { prober, provider, tick, looks } = setUp(t, "active", 3, undefined, LONG);
  await prober.start();
  const refreshed = prober.refresh();
  let over = false;
  void refreshed.then(() => {
    over = true;
  });
  for (let count = 2; !over; count++) {
    provider.version = `${count}`;
    await looks(count);
    tick(750);
  }
  assert.ok(provider.statuses <= 14, `${provider.statuses} probes`);
});

test("stop ends a refresh", async (t) => {
  const { prober, provider } = setUp(t);
  await prober.start();
  provider.gate = new Promise(() => {});
  const refreshed = prober.refresh();
  prober.stop();
  await refreshed;
});

test("a key that worked stays usable while its KMS is out of reach for less than 3 s, then fails", async (t) => {
  const { prober, provider, keyset, changes, tick, probes } = setUp(t, "active", 1, undefined, LONG);
  await prober.start();
  provider.failure = offline;
  tick(LONG);
  // The retries of the probe follow after 250, 500, 1,000 and 2,000 ms.
  for (const [i, ms] of [0, 250, 500, 1_000].entries()) {
    tick(ms);
    await probes(i + 2);
    assert.equal(keyset.encryptWith().version, "1");
  }
  tick(2_000);
  await probes(6);
  assert.throws(() => keyset.encryptWith(), offline);
  assert.deepEqual(changes.at(-1)?.failure, offline);
});

test("the first probe after a reload has to reach the KMS, also for a key that worked before it", async (t) => {
  const { prober, provider, key, keyset } = setUp(t, "decrypt");
  await prober.start();
  provider.failure = offline;
  const promoted: SimpleKey = { ...key, use: "active" };
  const next = new Keyset([promoted], keyset);
  const shadow = new Prober(next, { intervalMs: INTERVAL, onChange: () => {} }, prober);
  t.after(() => shadow.stop());
  await shadow.start();
  assert.throws(() => next.encryptWith(), offline);
});

test("a key whose KMS answers again in time never failed, and the next outage is a new one", async (t) => {
  const { prober, provider, keyset, changes, tick, probes } = setUp(t, "active", 1, undefined, LONG);
  await prober.start();
  for (const first of [2, 4]) {
    provider.failure = offline;
    tick(LONG);
    await probes(first);
    provider.failure = undefined;
    tick(250);
    await probes(first + 1);
    assert.equal(keyset.encryptWith().version, "1");
  }
  assert.equal(changes.length, 1);
});

test("a refusal by the KMS fails a key at once, also while it was out of reach", async (t) => {
  const { prober, provider, keyset, tick, probes } = setUp(t, "active", 1, undefined, LONG);
  await prober.start();
  provider.failure = offline;
  tick(LONG);
  await probes(2);
  provider.failure = refused;
  tick(250);
  await probes(3);
  assert.throws(() => keyset.encryptWith(), refused);
});
