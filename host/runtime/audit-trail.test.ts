/** How long an RPC waits for its record. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { latestFor } from "./audit-trail.ts";

test("a record is waited for as long as its caller waits, and a caller that hardly waits makes no disk slow", () => {
  const latest = [2_400, 1_200, 100, 0].map((timeMs) => Math.round(latestFor(timeMs)));
  assert.deepEqual(latest, [2_800, 1_400, 400, 400]);
});
