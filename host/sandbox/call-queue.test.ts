import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

const full = () => new Error("full");
const late = () => new Error("late");
const soon = () => performance.now() + 5;
const never = () => performance.now() + 60_000;

test("as many as are allowed enter at once, the next one waits for its turn", async () => {
  const turns = new Turns({ atOnce: 2, waiting: 1 });
  await turns.enter(never(), full, late);
  await turns.enter(never(), full, late);
  const third = turns.enter(never(), full, late);
  assert.deepEqual([turns.taken, turns.waiting], [2, 1]);
  turns.leave();
  await third;
  assert.deepEqual([turns.taken, turns.waiting], [2, 0]);
});

test("one more than may wait is sent away at once", async () => {
  const turns = new Turns({ atOnce: 1, waiting: 0 });
  await turns.enter(never(), full, late);
  await assert.rejects(turns.enter(never(), full, late), full());
});

test("who waits beyond the deadline is sent away and takes no turn", async () => {
  const turns = new Turns({ atOnce: 1, waiting: 1 });
  await turns.enter(never(), full, late);
  await assert.rejects(turns.enter(soon(), full, late), late());
  turns.leave();
  assert.deepEqual([turns.taken, turns.waiting], [0, 0]);
});

test("closing sends away all who wait, and keeps those who are in", async () => {
  const turns = new Turns({ atOnce: 1, waiting: 2 });
  await turns.enter(never(), full, late);
  const waiting = [turns.enter(never(), full, late), turns.enter(never(), full, late)];
  turns.close(() => new Error("closed"));
  const ended = await Promise.allSettled(waiting);
  assert.deepEqual(
    ended.map((each) => each.status === "rejected" && each.reason.message),
    ["closed", "closed"],
  );
  assert.equal(turns.taken, 1);
});

test("the deadline is a time of the clock, and not a time from now, on a host that is up for two months too", async (t) => {
  const now = 60 * 24 * 3_600_000;
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const turns = new Turns({ atOnce: 1, waiting: 2 });
  await turns.enter(now + 2_000, full, late);
  const served = turns.enter(now + 2_000, full, late);
  const missed = turns.enter(now + 1_000, full, late);
  t.mock.timers.tick(999);
  assert.equal(turns.waiting, 2);
  t.mock.timers.tick(1);
  assert.equal(turns.waiting, 1);
  await assert.rejects(missed, late());
  t.mock.timers.tick(999);
  turns.leave();
  await served;
});
