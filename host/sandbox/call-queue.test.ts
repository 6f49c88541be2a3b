import assert from "node:assert/strict";
import { test } from "node:test";
import { CallQueue } from "./call-queue.ts";

const full = () => new Error("full");
const late = () => new Error("late");
const soon = () => performance.now() + 5;
const never = () => performance.now() + 60_000;

test("as many calls as concurrentCalls run at once, and the next one waits", async () => {
  const queue = new CallQueue({ concurrentCalls: 2, waitingCalls: 1 });
  await queue.enter(never(), full, late);
  await queue.enter(never(), full, late);
  const third = queue.enter(never(), full, late);
  assert.deepEqual([queue.running, queue.waiting], [2, 1]);
  queue.leave();
  await third;
  assert.deepEqual([queue.running, queue.waiting], [2, 0]);
});

test("a call beyond waitingCalls is rejected at once", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 0 });
  await queue.enter(never(), full, late);
  await assert.rejects(queue.enter(never(), full, late), full());
});

test("a call that waits past its deadline is rejected and never runs", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 1 });
  await queue.enter(never(), full, late);
  await assert.rejects(queue.enter(soon(), full, late), late());
  queue.leave();
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

test("rejectWaiting rejects the calls that wait, and not those that run", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 2 });
  await queue.enter(never(), full, late);
  const waiting = [queue.enter(never(), full, late), queue.enter(never(), full, late)];
  queue.rejectWaiting(() => new Error("closed"));
  const ended = await Promise.allSettled(waiting);
  assert.deepEqual(
    ended.map((each) => each.status === "rejected" && each.reason.message),
    ["closed", "closed"],
  );
  assert.equal(queue.running, 1);
});

test("the deadline is absolute, even after two months of uptime", async (t) => {
  const now = 60 * 24 * 3_600_000;
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 2 });
  await queue.enter(now + 2_000, full, late);
  const served = queue.enter(now + 2_000, full, late);
  const missed = queue.enter(now + 1_000, full, late);
  t.mock.timers.tick(999);
  assert.equal(queue.waiting, 2);
  t.mock.timers.tick(1);
  assert.equal(queue.waiting, 1);
  await assert.rejects(missed, late());
  t.mock.timers.tick(999);
  queue.leave();
  await served;
});
