import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Attempt, hedge } from "./hedge.ts";

/** An attempt that the test settles. */
function held(name: string, log: string[], patienceMs = 100) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let stumble = () => {};
  const attempt: Attempt<string> = {
    patienceMs,
    run(onStumble) {
      log.push(name);
      stumble = onStumble;
      return promise;
    },
  };
  return { attempt, resolve, reject, stumble: () => stumble() };
}

function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const log: string[] = [];
  const [a, b, c] = [held("a", log), held("b", log), held("c", log)];
  return { log, a, b, c, result: hedge([a.attempt, b.attempt, c.attempt]) };
}

const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

test("only the first attempt runs if it answers in time", async (t) => {
  const { log, a, result } = setUp(t);
  a.resolve("A");
  assert.equal(await result, "A");
  t.mock.timers.tick(1_000);
  assert.deepEqual(log, ["a"]);
});

test("the next attempt begins when one has not answered in time, and the first answer wins", async (t) => {
  const { log, a, b, result } = setUp(t);
  t.mock.timers.tick(99);
  assert.deepEqual(log, ["a"]);
  t.mock.timers.tick(1);
  assert.deepEqual(log, ["a", "b"]);
  b.resolve("B");
  assert.equal(await result, "B");
  a.resolve("A");
  t.mock.timers.tick(1_000);
  assert.deepEqual(log, ["a", "b"]);
});

test("the next attempt begins at once when one fails, and when one stumbles and goes on", async (t) => {
  const { log, a, b, c, result } = setUp(t);
  a.reject(new Error("a"));
  await turns();
  assert.deepEqual(log, ["a", "b"]);
  b.stumble();
  assert.deepEqual(log, ["a", "b", "c"]);
  c.reject(new Error("c"));
  b.resolve("B");
  assert.equal(await result, "B");
});

test("an attempt that stumbled and then fails starts one other only", async (t) => {
  const { log, a, b, result } = setUp(t);
  a.stumble();
  a.reject(new Error("a"));
  await turns();
  assert.deepEqual(log, ["a", "b"]);
  b.resolve("B");
  await result;
});

test("if all attempts fail, their errors are thrown in the order of the attempts", async (t) => {
  const { a, b, c, result } = setUp(t);
  a.stumble();
  b.stumble();
  for (const [each, name] of [
    [c, "c"],
    [b, "b"],
    [a, "a"],
  ] as const)
    each.reject(name);
  await assert.rejects(result, (error: AggregateError) => {
    assert.deepEqual(error.errors, ["a", "b", "c"]);
    return true;
  });
});

test("the result of an attempt that lost is dropped, also if it is an error", async (t) => {
  const { a, b, result } = setUp(t);
  t.mock.timers.tick(100);
  b.resolve("B");
  assert.equal(await result, "B");
  a.reject(new Error("late"));
  await turns();
});
