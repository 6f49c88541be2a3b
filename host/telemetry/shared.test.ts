import assert from "node:assert/strict";
import { test } from "node:test";
import { Rarely } from "./rarely.ts";
import { Pace, sharedFor } from "./shared.ts";

test("what is shared is made once for all who ask in time, and again after it", (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  let made = 0;
  const get = sharedFor(1_000, () => ++made);
  assert.deepEqual([get(), get()], [1, 1]);
  now += 999;
  assert.equal(get(), 1);
  now += 1;
  assert.deepEqual([get(), get()], [2, 2]);
});

test("what could not be made is made again by the next who asks", () => {
  let tries = 0;
  const get = sharedFor(1_000, () => {
    tries += 1;
    if (tries === 1) throw new Error("not yet");
    return tries;
  });
  assert.throws(get, /^Error: not yet$/);
  assert.equal(get(), 2);
});

test("turns come in their order, none before its time", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => 0);
  const pace = new Pace(5);
  const order: number[] = [];
  for (const i of [0, 1, 2]) pace.turn(() => order.push(i));
  assert.deepEqual(order, [0]);
  t.mock.timers.tick(5);
  assert.deepEqual(order, [0, 1]);
  t.mock.timers.tick(5);
  assert.deepEqual(order, [0, 1, 2]);
});

test("turns that were given up take no time of the one after them", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => 0);
  const pace = new Pace(5);
  const order: number[] = [];
  pace.turn(() => order.push(0));
  const given = Array.from({ length: 1_500 }, () => pace.turn(() => order.push(1)));
  pace.turn(() => order.push(2));
  for (const giveUp of given) giveUp();
  t.mock.timers.tick(5);
  assert.deepEqual(order, [0, 2]);
});

test("what happens often is told at once, and then with its count once a minute, each kind apart", () => {
  let now = 0;
  const rarely = new Rarely(() => now);
  assert.deepEqual([rarely.count("a"), rarely.count("a"), rarely.count("b")], [1, undefined, 1]);
  now += 59_999;
  assert.equal(rarely.count("a"), undefined);
  now += 1;
  assert.deepEqual([rarely.count("a"), rarely.count("a")], [3, undefined]);
});
