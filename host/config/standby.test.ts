import assert from "node:assert/strict";
import { test } from "node:test";
import { hasStandby, LEAST_FREE } from "./standby.ts";

test("auto is on with at most four providers and 512 MiB of free memory", () => {
  assert.equal(LEAST_FREE, 512 << 20);
  const auto = (providers: number, free: number) => hasStandby("auto", providers, free);
  assert.deepEqual([auto(1, LEAST_FREE), auto(4, LEAST_FREE)], [true, true]);
  assert.deepEqual([auto(5, LEAST_FREE), auto(1, LEAST_FREE - 1)], [false, false]);
});

test("true and false depend on nothing", () => {
  for (const providers of [1, 5]) {
    for (const free of [0, LEAST_FREE]) {
      assert.equal(hasStandby(true, providers, free), true);
      assert.equal(hasStandby(false, providers, free), false);
    }
  }
});
