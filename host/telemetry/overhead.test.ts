import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcClock } from "./overhead.ts";

/** A backend that the test tells when to answer. */
function backend() {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { work: () => promise, answer: () => resolve("done") };
}

/** Waits until the clock has advanced. */
async function pass(ms: number): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; )
    await new Promise((go) => setImmediate(go));
}

test("a wait is attributed to its own RPC, and not to another one", async () => {
  const clock = new RpcClock();
  const slow = backend();
  const [waited, other] = await Promise.all([
    clock.run(async () => {
      const waiting = clock.waiting(slow.work);
      await pass(20);
      slow.answer();
      assert.equal(await waiting, "done");
      return clock.waitedMs();
    }),
    clock.run(async () => {
      await pass(30);
      return clock.waitedMs();
    }),
  ]);
  assert.ok(waited >= 20, `${waited} ms`);
  assert.equal(other, 0);
});

test("the time of overlapping waits counts once", async () => {
  const clock = new RpcClock();
  await clock.run(async () => {
    const begun = performance.now();
    const [one, two] = [backend(), backend()];
    const waits = [clock.waiting(one.work), clock.waiting(two.work)];
    await pass(20);
    one.answer();
    two.answer();
    await Promise.all(waits);
    assert.ok(clock.waitedMs() >= 20 && clock.waitedMs() <= performance.now() - begun);
  });
});

test("a wait in progress counts up to now", async () => {
  const clock = new RpcClock();
  const stuck = backend();
  await clock.run(async () => {
    void clock.waiting(stuck.work);
    await pass(10);
    assert.ok(clock.waitedMs() >= 10);
  });
  stuck.answer();
});

test("a failed wait ends and rejects", async () => {
  const clock = new RpcClock();
  await clock.run(async () => {
    await assert.rejects(
      clock.waiting(() => Promise.reject(new Error("gone"))),
      /gone/,
    );
    const waited = clock.waitedMs();
    await pass(5);
    assert.equal(clock.waitedMs(), waited);
  });
});

test("a wait outside an RPC is not counted", async () => {
  const clock = new RpcClock();
  assert.equal(await clock.waiting(async () => 7), 7);
  assert.equal(clock.waitedMs(), 0);
});

test("a wait is measured from its start to its end, or to now", async (t) => {
  let now = 1000;
  t.mock.method(performance, "now", () => now);
  const clock = new RpcClock();
  await clock.run(async () => {
    now = 1100;
    const [one, two] = [backend(), backend()];
    const first = clock.waiting(one.work);
    now = 1110;
    const second = clock.waiting(two.work);
    now = 1130;
    assert.equal(clock.waitedMs(), 30);
    one.answer();
    await first;
    now = 1150;
    two.answer();
    await second;
    now = 1200;
    assert.equal(clock.waitedMs(), 50);
    void clock.waiting(() => new Promise(() => {}));
    now = 1207;
    assert.equal(clock.waitedMs(), 57);
  });
});
