import assert from "node:assert/strict";
import { test } from "node:test";
import { endsSoon, timeLeft, warningBefore } from "./expiry.ts";

const DAY = 86_400_000;

test("the warning comes 14 days before the end, or in the last quarter of a short life", () => {
  assert.equal(warningBefore(Number.POSITIVE_INFINITY), 14 * DAY);
  assert.equal(warningBefore(365 * DAY), 14 * DAY);
  assert.equal(warningBefore(3 * DAY), 0.75 * DAY);
});

test("an end is soon from the warning on, and stays so when it has passed", () => {
  const expiry = { at: 100 * DAY, warningMs: 14 * DAY };
  assert.equal(endsSoon(expiry, 86 * DAY), false);
  assert.equal(endsSoon(expiry, 86 * DAY + 1), true);
  assert.equal(endsSoon(expiry, 101 * DAY), true);
});

test("the time that is left has a unit that fits it, and is never more than what is left", () => {
  const left = [7.9 * DAY, 2 * DAY, 2 * DAY - 1, 3_600_000, -1].map((ms) => timeLeft(ms, 0));
  assert.deepEqual(left, ["7 days", "2 days", "47 hours", "60 minutes", "0 minutes"]);
});
