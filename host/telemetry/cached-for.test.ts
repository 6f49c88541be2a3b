import assert from "node:assert/strict";
import { test } from "node:test";
import { cachedFor } from "./cached-for.ts";

test("a value is computed once within its time, and again after it", (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  let made = 0;
  const get = cachedFor(1_000, () => ++made);
  assert.deepEqual([get(), get()], [1, 1]);
  now += 999;
  assert.equal(get(), 1);
  now += 1;
  assert.deepEqual([get(), get()], [2, 2]);
});

test("a value of another epoch is computed again", () => {
  let [made, epoch] = [0, 0];
  const get = cachedFor(
    60_000,
    () => ++made,
    () => epoch,
  );
  assert.deepEqual([get(), get()], [1, 1]);
  epoch = 1;
  assert.deepEqual([get(), get()], [2, 2]);
});

test("a failed computation is repeated for the next caller", () => {
  let tries = 0;
  const get = cachedFor(1_000, () => {
    tries += 1;
    if (tries === 1) throw new Error("not yet");
    return tries;
  });
  assert.throws(get, /^Error: not yet$/);
  assert.equal(get(), 2);
});
