/** The provider's process compiles a module only if the engine reads the same imports as admission. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Child } from "../../host/sandbox/child.ts";
import { admittedLocal } from "../support/admitted-local.ts";
import { theWall } from "../support/wall.ts";

const MEMORY = 16 << 20;
const { bytes, imports, memory } = admittedLocal(MEMORY);
const wall = await theWall();

function start(told: readonly { module: string; name: string }[]): Child {
  return new Child({
    provider: "local",
    module: bytes,
    imports: told,
    memory,
    memoryBytes: MEMORY,
    processMemoryBytes: 256 << 20,
    wall,
    hostCalls: 64,
    outputBytes: 65_536,
    gate: () => assert.fail("no call was made"),
    onStderr: () => {},
  });
}

test("a process whose engine sees the same imports as admission loads the module", async () => {
  const child = start(imports);
  await child.loaded;
  child.kill("the test is over");
  await child.ended;
});

for (const [what, told] of [
  ["fewer", imports.slice(1)],
  ["additional ones", [...imports, { module: "kleidi:log", name: "write" }]],
  ["different ones", imports.map(({ module }) => ({ module, name: "x" }))],
] as const) {
  test(`a process whose engine sees other imports than admission does not run the module: ${what}`, async () => {
    const child = start(told);
    await assert.rejects(child.loaded, {
      code: "module-invalid",
      cause: "Error: the engine sees other imports in the module than admission did",
    });
    child.kill("the test is over");
    await child.ended;
  });
}
