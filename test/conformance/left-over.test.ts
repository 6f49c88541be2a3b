/** Whatever a module does, the kit ends and leaves no process. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Result } from "../../host/conformance/check.ts";
import { loadFixture } from "../../host/conformance/fixture.ts";
import { OFFLINE, testModule } from "../../host/conformance/kit.ts";
import { guest } from "../hostile/guest.ts";
import { root } from "../support/fixture.ts";
import { theWall } from "../support/wall.ts";
import { mutantOf, TOY_FIXTURE, toyModule } from "./mutants.ts";

const LOCAL_FIXTURE = join(root, "providers/local/kms.fixture.json");

/** Runs the kit until the first failure. @returns the failures, and the processes that were started */
async function run(bytes: Buffer, fixture: string) {
  const processes: ChildProcess[] = [];
  const results: Result[] = [];
  const wall = await theWall();
  await testModule({
    bytes,
    fixture: loadFixture(fixture),
    levels: OFFLINE,
    bail: true,
    deadlineMs: 1_000,
    onResult: (result) => results.push(result),
    wall: {
      ...wall,
      start(...given) {
        const started = wall.start(...given);
        processes.push(started);
        return started;
      },
    },
  });
  return { failed: results.filter(({ result }) => result === "fail"), processes };
}

function assertEnded(processes: readonly ChildProcess[]): void {
  assert.notEqual(processes.length, 0);
  for (const { exitCode, signalCode, pid } of processes) {
    assert.ok(exitCode !== null || signalCode !== null, `process ${pid} runs`);
    assert.ok(!existsSync(`/proc/${pid}`), `process ${pid} is there`);
  }
}

describe("no process is left", () => {
  for (const [what, name, level] of [
    ["a start function that loops", "loop-in-start", 0],
    ["a start function that traps", "trap-in-start", 0],
    ["exports that loop", "loop", 1],
    ["exports that trap", "trap", 1],
    ["exports that recurse", "recursion", 1],
  ] as const) {
    test(what, async () => {
      const { failed, processes } = await run(readFileSync(guest(name)), LOCAL_FIXTURE);
      assert.deepEqual(
        failed.map((result) => result.level),
        [level],
      );
      assertEnded(processes);
    });
  }

  test("an Encrypt that does not end", async () => {
    const { failed, processes } = await run(mutantOf(await toyModule(), 58), TOY_FIXTURE);
    assert.equal(failed.length, 1);
    assert.match(failed[0]?.text[0] ?? "", /exceeded its deadline/);
    assertEnded(processes);
  });

  test("a module that passes", async () => {
    const { failed, processes } = await run(await toyModule(), TOY_FIXTURE);
    assert.deepEqual(failed, []);
    assertEnded(processes);
  });
});
