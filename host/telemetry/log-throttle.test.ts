import assert from "node:assert/strict";
import { test } from "node:test";
import { LogThrottle } from "./log-throttle.ts";

test("a frequent event is reported at once, and then once a minute with its count, each kind separately", () => {
  let now = 0;
  const throttle = new LogThrottle(() => now);
  assert.deepEqual([throttle.count("a"), throttle.count("a"), throttle.count("b")], [1, undefined, 1]);
  now += 59_999;
  assert.equal(throttle.count("a"), undefined);
  now += 1;
  assert.deepEqual([throttle.count("a"), throttle.count("a")], [3, undefined]);
});
