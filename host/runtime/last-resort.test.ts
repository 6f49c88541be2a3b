import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { collectLastResort } from "./last-resort.ts";

test("garbage is collected, and the collector is not exposed", async () => {
  const garbage = new WeakRef({});
  await turn();
  collectLastResort();
  assert.equal(garbage.deref(), undefined);
  assert.equal(globalThis.gc, undefined);
});
