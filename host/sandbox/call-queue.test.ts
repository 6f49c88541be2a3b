import assert from "node:assert/strict";
import { test } from "node:test";
import { CallQueue, type QueuedCall } from "./call-queue.ts";

const full = () => new Error("full");
const late = () => new Error("late");
const soon = () => call(performance.now() + 5);
const never = (bytes = 1) => call(performance.now() + 60_000, bytes);

function call(latestStart: number, bytes = 1): QueuedCall {
  return { bytes, latestStart, full, late };
}

test("as many calls as concurrentCalls run at once, and the next one waits", async () => {
  const queue = new CallQueue({ concurrentCalls: 2, waitingCalls: 1, waitingBytes: 10 });
  await queue.enter(never());
  await queue.enter(never());
  const third = queue.enter(never());
  assert.deepEqual([queue.running, queue.waiting], [2, 1]);
  queue.leave();
  await third;
  assert.deepEqual([queue.running, queue.waiting], [2, 0]);
});

test("a call beyond waitingCalls is rejected at once", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 0, waitingBytes: 10 });
  await queue.enter(never());
  await assert.rejects(queue.enter(never()), full());
});

test("a call that waits past its deadline is rejected and never runs", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 1, waitingBytes: 10 });
  await queue.enter(never());
  await assert.rejects(queue.enter(soon()), late());
  queue.leave();
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

test("rejectWaiting rejects the calls that wait, and not those that run", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 2, waitingBytes: 10 });
  await queue.enter(never());
  const waiting = [queue.enter(never()), queue.enter(never())];
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
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 2, waitingBytes: 10 });
  await queue.enter(call(now + 2_000));
  const served = queue.enter(call(now + 2_000));
  const missed = queue.enter(call(now + 1_000));
  t.mock.timers.tick(999);
  assert.equal(queue.waiting, 2);
  t.mock.timers.tick(1);
  assert.equal(queue.waiting, 1);
  await assert.rejects(missed, late());
  t.mock.timers.tick(999);
  queue.leave();
  await served;
});

test("a call whose input does not fit is rejected at once, and a smaller one waits", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 9, waitingBytes: 10 });
  await queue.enter(never(100));
  const waiting = queue.enter(never(6));
  await assert.rejects(queue.enter(never(5)), full());
  const small = queue.enter(never(4));
  assert.deepEqual([queue.waiting, queue.waitingBytes], [2, 10]);
  queue.leave();
  await waiting;
  assert.equal(queue.waitingBytes, 4);
  queue.leave();
  await small;
  assert.equal(queue.waitingBytes, 0);
});

test("the bytes of calls that were late or rejected are free again", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 9, waitingBytes: 10 });
  await queue.enter(never());
  await assert.rejects(queue.enter(soon()), late());
  const closed = queue.enter(never(10));
  queue.rejectWaiting(() => new Error("closed"));
  await assert.rejects(closed, /closed/);
  assert.equal(queue.waitingBytes, 0);
});

test("calls run in the order in which they came", async () => {
  const queue = new CallQueue({ concurrentCalls: 1, waitingCalls: 9, waitingBytes: 10 });
  await queue.enter(never());
  const order: number[] = [];
  const all = [1, 2, 3].map((each) => queue.enter(never()).then(() => order.push(each)));
  for (let i = 0; i < 3; i++) queue.leave();
  await Promise.all(all);
  assert.deepEqual(order, [1, 2, 3]);
});
