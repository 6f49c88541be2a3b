import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { beforeEach, mock, test } from "node:test";
import { isDoneWithin, untilAborted, withDeadline, within } from "./deadline.ts";

const MS = 1_000;
const late = () => new Error("late");
const never = () => new Promise<never>(() => {});

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("within returns the result of the work", async () => {
  assert.equal(await within(MS, Promise.resolve("done"), late), "done");
  await assert.rejects(within(MS, Promise.reject(new Error("failed")), late), /^Error: failed$/);
});

test("within fails at its deadline, and not a millisecond before", async () => {
  const failures: unknown[] = [];
  const waiting = within(MS, never(), late).catch((error) => failures.push(error.message));
  mock.timers.tick(MS - 1);
  await settled();
  assert.deepEqual(failures, []);
  mock.timers.tick(1);
  await waiting;
  assert.deepEqual(failures, ["late"]);
});

test("within ignores a failure of the work after its deadline", async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const waiting = within(MS, promise, late);
  mock.timers.tick(MS);
  await assert.rejects(waiting, /late/);
  // node:test fails a test with an unhandled rejection
  reject(new Error("failed"));
  await settled();
});

test("isDoneWithin returns true for work that finishes in time, and false for other work", async () => {
  assert.equal(await isDoneWithin(MS, Promise.resolve()), true);
  const waiting = isDoneWithin(MS, never());
  mock.timers.tick(MS);
  assert.equal(await waiting, false);
  await assert.rejects(isDoneWithin(MS, Promise.reject(new Error("failed"))), /failed/);
});

test("untilAborted fails with the signal's reason, and leaves no listener", async () => {
  const controller = new AbortController();
  const waiting = untilAborted(controller.signal, never());
  controller.abort(new Error("over"));
  await assert.rejects(waiting, /^Error: over$/);
  const other = new AbortController();
  assert.equal(await untilAborted(other.signal, Promise.resolve(1)), 1);
  await settled();
  assert.deepEqual(getEventListeners(other.signal, "abort"), []);
});

test("untilAborted fails with the error that its caller creates, also for a signal that is already aborted", async () => {
  await assert.rejects(
    untilAborted(AbortSignal.abort(), never(), () => new Error("own")),
    /^Error: own$/,
  );
});

test("withDeadline aborts the signal of the work at its deadline", async () => {
  const over = new AbortController();
  let received: AbortSignal | undefined;
  const waiting = withDeadline(MS, over.signal, late, (signal) => {
    received = signal;
    return never();
  });
  mock.timers.tick(MS);
  await assert.rejects(waiting, /^Error: late$/);
  assert.equal(received?.reason.message, "late");
  assert.deepEqual(getEventListeners(over.signal, "abort"), []);
});

test("withDeadline fails when the signal of its caller is aborted", async () => {
  const over = new AbortController();
  const waiting = withDeadline(MS, over.signal, late, never);
  over.abort(new Error("over"));
  await assert.rejects(waiting, /^Error: over$/);
  await assert.rejects(withDeadline(MS, over.signal, late, never), /^Error: over$/);
});

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
