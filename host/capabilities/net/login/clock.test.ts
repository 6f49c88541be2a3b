import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "./clock.ts";

test("a timer longer than Node's maximum does not run at once", async () => {
  let ran = false;
  const cancel = systemClock.after(2 ** 40, () => {
    ran = true;
  });
  await sleep(20);
  cancel();
  assert.equal(ran, false);
});

test("a timer runs unless it is cancelled", async () => {
  const ran: string[] = [];
  systemClock.after(1, () => ran.push("taken back"))();
  const kept = Promise.withResolvers<void>();
  systemClock.after(1, kept.resolve);
  await Promise.all([kept.promise, sleep(5)]);
  assert.deepEqual(ran, []);
});
