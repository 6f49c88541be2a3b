import assert from "node:assert/strict";
import { test } from "node:test";
import { shared } from "./admin-actions.ts";

test("shared runs once for callers that come while it runs, and again afterwards", async () => {
  const gates: PromiseWithResolvers<number>[] = [];
  const run = shared(() => {
    const gate = Promise.withResolvers<number>();
    gates.push(gate);
    return gate.promise;
  });
  const both = Promise.all([run(), run()]);
  gates[0]?.resolve(1);
  assert.deepEqual(await both, [1, 1]);
  const next = run();
  gates[1]?.resolve(2);
  assert.equal(await next, 2);
});

test("shared runs again after a failure", async () => {
  let runs = 0;
  const run = shared(async () => {
    runs += 1;
    if (runs === 1) throw new Error("first");
    return runs;
  });
  await assert.rejects(run());
  assert.equal(await run(), 2);
});
