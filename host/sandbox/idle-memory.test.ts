import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../test/support/fixture.ts";
import { guestArguments } from "./guest-arguments.ts";
import { IdleMemory } from "./idle-memory.mjs";

/** @returns after which of these intervals memory was given back, by their numbers of calls */
function givenBack(intervals: readonly number[]): boolean[] {
  let count = 0;
  const memory = new IdleMemory(() => {
    count += 1;
  });
  return intervals.map((calls) => {
    const before = count;
    for (let i = 0; i < calls; i++) memory.count();
    memory.endInterval();
    return count > before;
  });
}

test("memory is given back once after the start, when calls are rare", () => {
  assert.deepEqual(givenBack([0, 0, 99, 100]), [true, false, false, false]);
  assert.deepEqual(givenBack([100, 200, 99, 0]), [false, false, true, false]);
});

test("memory is given back once after each load, and not during one", () => {
  assert.deepEqual(givenBack([0, 501, 501, 100, 99, 99]), [true, false, false, false, true, false]);
  assert.deepEqual(givenBack([0, 501, 0, 501, 0]), [true, false, true, false, true]);
});

test("calls that are no load cost no collection", () => {
  assert.deepEqual(givenBack([0, 500, 0, 500, 0]), [true, false, false, false, false]);
});

test("the timer does not keep the process", () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  new IdleMemory(() => {}).watch();
  assert.equal(timers(), before);
});

test("each way to start a host has one arena of the C library, and a provider's process the collector", () => {
  for (const path of ["host/kleidi", "Dockerfile"])
    assert.match(readFileSync(join(root, path), "utf8"), /^(export|ENV) .*\bMALLOC_ARENA_MAX=1$/m);
  assert.ok(guestArguments(65_536).includes("--expose-gc"));
});
