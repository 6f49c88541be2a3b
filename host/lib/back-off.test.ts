import assert from "node:assert/strict";
import { test } from "node:test";
import { backOffMs, jitterMs } from "./back-off.ts";

test("pauses double up to the maximum", () => {
  const pauses = [1, 2, 3, 4, 5, 6].map((failures) => backOffMs({ firstMs: 100, longestMs: 900 }, failures));
  assert.deepEqual(pauses, [100, 200, 400, 800, 900, 900]);
});

test("the pause never exceeds the maximum, after any number of failures", () => {
  assert.equal(backOffMs({ firstMs: 100, longestMs: 900 }, 100_000), 900);
});

test("a pause with jitter is between two fractions of the pause", () => {
  assert.deepEqual(
    [0, 0.25, 1].map((random) => jitterMs(1_000, [0.75, 1.25], random)),
    [750, 875, 1_250],
  );
});
