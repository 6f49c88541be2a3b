import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type FaultName, KleidiError } from "../error.ts";
import { Outage } from "./outage.ts";

const offline = new KleidiError("backend-unreachable/connection", "Cannot decrypt: offline");

/** A KMS that is out of reach until `failure` is cleared, under mock timers, with the longest pauses. */
function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 1);
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const outage = new Outage();
  const kms: { failure: Error | undefined; tries: number[] } = { failure: offline, tries: [] };
  return {
    outage,
    kms,
    call: async () => {
      kms.tries.push(now);
      if (kms.failure !== undefined) throw kms.failure;
      return "opened";
    },
    /** Advances the time in steps of 5 ms, and lets the work of each step run. */
    async pass(ms: number) {
      await settled();
      for (const end = now + ms; now < end; ) {
        now += 5;
        t.mock.timers.tick(5);
        await settled();
      }
    },
  };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a call that succeeds runs once", async (t) => {
  const { outage, kms, call } = setUp(t);
  kms.failure = undefined;
  assert.equal(await outage.run(2_300, call), "opened");
  assert.deepEqual(kms.tries, [0]);
});

test("a call is repeated with growing pauses of at most 100 ms until the KMS answers", async (t) => {
  const { outage, kms, call, pass } = setUp(t);
  const opened = outage.run(2_300, call);
  await pass(400);
  kms.failure = undefined;
  await pass(100);
  assert.equal(await opened, "opened");
  assert.deepEqual(kms.tries, [0, 25, 75, 175, 275, 375, 475]);
});

test("a call fails with its last failure at its deadline", async (t) => {
  const { outage, kms, call, pass } = setUp(t);
  const failed = assert.rejects(outage.run(500, call), offline);
  await pass(500);
  await failed;
  assert.ok(kms.tries.every((at) => at <= 500));
});

const NOT_REPEATED: FaultName[] = [
  "ciphertext-invalid/refused",
  "credential-refused/login",
  "key-not-ready/refused",
  "deadline/waiting",
];
for (const code of NOT_REPEATED) {
  test(`${code} is not repeated`, async (t) => {
    const { outage, kms, call } = setUp(t);
    kms.failure = new KleidiError(code, "Cannot decrypt: x");
    await assert.rejects(outage.run(2_300, call), kms.failure);
    assert.equal(kms.tries.length, 1);
  });
}

test("64 callers in a loop make at most 12 tries a second to a KMS that is down, after their first ones", async (t) => {
  const { outage, kms, call, pass } = setUp(t);
  let going = true;
  const callers = Array.from({ length: 64 }, async () => {
    while (going) await outage.run(performance.now() + 2_300, call).catch(() => {});
  });
  await pass(10_000);
  going = false;
  assert.equal(kms.tries.filter((at) => at === 0).length, 64);
  const later = kms.tries.filter((at) => at > 0);
  assert.ok(later.length <= 120, `${later.length} tries in 10 s`);
  await pass(2_400);
  await Promise.all(callers);
});

test("calls that come during an outage wait, and go on together when the KMS answers one of them", async (t) => {
  const { outage, kms, call, pass } = setUp(t);
  const first = outage.run(2_300, call);
  await pass(25);
  const others = Array.from({ length: 50 }, () => outage.run(performance.now() + 2_300, call));
  await pass(100);
  const before = kms.tries.length;
  assert.ok(before < 6, `${before} tries`);
  kms.failure = undefined;
  await pass(100);
  assert.deepEqual(new Set(await Promise.all([first, ...others])), new Set(["opened"]));
});

test("a refusal of one call is an answer: the others go on", async (t) => {
  const { outage, kms, call, pass } = setUp(t);
  const refused = new KleidiError("credential-refused/login", "Cannot decrypt: refused");
  const all = [1, 2, 3].map(() => assert.rejects(outage.run(2_300, call), refused));
  await pass(30);
  kms.failure = refused;
  await pass(100);
  await Promise.all(all);
});

test("a call without a turn before its deadline says so, and was never tried", async (t) => {
  const { outage, call, pass } = setUp(t);
  const first = outage.run(2_300, call).catch(() => {});
  await pass(5);
  const tried = t.mock.fn(call);
  await Promise.all([
    assert.rejects(outage.run(performance.now() + 10, tried), {
      code: "backend-unreachable",
      message:
        "Cannot call the provider: its KMS is out of reach, and the calls before this one used up the time to try again",
    }),
    pass(10),
  ]);
  assert.equal(tried.mock.callCount(), 0);
  await pass(2_300);
  await first;
});

test("a repetition that hangs holds up no other call, and fails at the deadline with the first failure", async (t) => {
  const { outage, kms, call, pass } = setUp(t);
  let tries = 0;
  const hanging = outage.run(2_300, async () => {
    tries += 1;
    if (tries === 1) throw offline;
    return await new Promise(() => {});
  });
  const failed = assert.rejects(hanging, offline);
  await pass(30);
  kms.failure = undefined;
  const other = outage.run(2_300, call);
  await pass(200);
  assert.equal(await other, "opened");
  await pass(2_300);
  await failed;
  assert.equal(tries, 2);
});
