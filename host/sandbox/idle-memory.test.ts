import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
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

test("what gives memory back is the collector of node --expose-gc; without it nothing is watched", () => {
  const program = `
    const { IdleMemory } = await import(${JSON.stringify(import.meta.resolve("./idle-memory.mjs"))});
    const garbage = new WeakRef({});
    await new Promise((resolve) => setImmediate(resolve));
    const memory = new IdleMemory();
    memory.watch();
    const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    memory.endInterval();
    console.log(garbage.deref() === undefined, timers);`;
  const run = (...flags: string[]) =>
    execFileSync(process.execPath, [...flags, "--input-type=module", "--eval", program], {
      encoding: "utf8",
    }).trim();
  // Its timer does not keep the process.
  assert.equal(run("--expose-gc"), "true 0");
  assert.equal(run(), "false 0");
});

test("each way to start a host has the collector and one arena", () => {
  const flagsIn = (path: string): readonly string[] =>
    readFileSync(join(root, path), "utf8").match(/--[a-z-]+(=\d+)?(?=[" ])/g) ?? [];
  const [command, image] = [flagsIn("host/kleidi"), flagsIn("Dockerfile")];
  assert.ok(command.includes("--expose-gc"), command.join(" "));
  assert.deepEqual(
    command.filter((flag) => !image.includes(flag)),
    [],
  );
  for (const path of ["host/kleidi", "Dockerfile"])
    assert.match(readFileSync(join(root, path), "utf8"), /^(export|ENV) .*\bMALLOC_ARENA_MAX=1$/m);
  assert.ok(guestArguments(65_536).includes("--expose-gc"));
});
