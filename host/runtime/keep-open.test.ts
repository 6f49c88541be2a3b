import assert from "node:assert/strict";
import { test } from "node:test";
import { keepOpen } from "./keep-open.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a failed open is retried with growing, bounded pauses until it succeeds", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const pauses: number[] = [];
  const opened: number[] = [];
  let closes = 0;
  let refusals = 4;
  const kept = await keepOpen(
    async () => {
      if (refusals-- > 0) throw new Error("taken");
      return { close: () => closes++ };
    },
    {
      pauses: { firstMs: 100, longestMs: 400 },
      onRefused: (_, nextTryMs) => pauses.push(nextTryMs),
      onOpened: (tries) => opened.push(tries),
    },
  );
  for (let i = 0; i < 4; i++) {
    t.mock.timers.tick(pauses.at(-1) ?? 0);
    await settled();
  }
  assert.deepEqual([pauses, opened], [[100, 200, 400, 400], [5]]);
  kept.close();
  assert.equal(closes, 1);
});

test("no open is retried after close", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let tries = 0;
  const kept = await keepOpen(
    async () => {
      tries += 1;
      throw new Error("taken");
    },
    { onRefused: () => {}, onOpened: () => {} },
  );
  kept.close();
  t.mock.timers.tick(100_000);
  await settled();
  assert.equal(tries, 1);
});

test("a resource that is opened during close is closed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const gate = Promise.withResolvers<{ close(): void }>();
  let tries = 0;
  const kept = await keepOpen(
    () => {
      tries += 1;
      return tries === 1 ? Promise.reject(new Error("taken")) : gate.promise;
    },
    { onRefused: () => {}, onOpened: () => assert.fail("it was closed") },
  );
  t.mock.timers.tick(1_000);
  assert.equal(tries, 2);
  kept.close();
  let closes = 0;
  gate.resolve({ close: () => closes++ });
  await settled();
  assert.equal(closes, 1);
});
