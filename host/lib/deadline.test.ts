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

test("within gives what the work comes to", async () => {
  assert.equal(await within(MS, Promise.resolve("done"), late), "done");
  await assert.rejects(within(MS, Promise.reject(new Error("failed")), late), /^Error: failed$/);
});

test("within fails when its time is over, and not a millisecond before", async () => {
  const failures: unknown[] = [];
  const waiting = within(MS, never(), late).catch((error) => failures.push(error.message));
  mock.timers.tick(MS - 1);
  await settled();
  assert.deepEqual(failures, []);
  mock.timers.tick(1);
  await waiting;
  assert.deepEqual(failures, ["late"]);
});

test("within drops what the work fails with after its time", async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const waiting = within(MS, promise, late);
  mock.timers.tick(MS);
  await assert.rejects(waiting, /late/);
  // node:test fails a test with an unhandled rejection
  reject(new Error("failed"));
  await settled();
});

test("isDoneWithin tells whether the work was done in time", async () => {
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

test("untilAborted fails with an error of its own where there is one, also for a signal that was aborted before", async () => {
  await assert.rejects(
    untilAborted(AbortSignal.abort(), never(), () => new Error("own")),
    /^Error: own$/,
  );
});

test("withDeadline tells the work by the signal that its time is over", async () => {
  const over = new AbortController();
  let told: AbortSignal | undefined;
  const waiting = withDeadline(MS, over.signal, late, (signal) => {
    told = signal;
    return never();
  });
  mock.timers.tick(MS);
  await assert.rejects(waiting, /^Error: late$/);
  assert.equal(told?.reason.message, "late");
  assert.deepEqual(getEventListeners(over.signal, "abort"), []);
});

test("withDeadline ends with the signal that it is given", async () => {
  const over = new AbortController();
  const waiting = withDeadline(MS, over.signal, late, never);
  over.abort(new Error("over"));
  await assert.rejects(waiting, /^Error: over$/);
  await assert.rejects(withDeadline(MS, over.signal, late, never), /^Error: over$/);
});

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
