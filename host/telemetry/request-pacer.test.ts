import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestPacer } from "./request-pacer.ts";

test("callbacks run in order, with the interval between them", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => 0);
  const pacer = new RequestPacer(5);
  const order: number[] = [];
  for (const i of [0, 1, 2]) pacer.schedule(() => order.push(i));
  assert.deepEqual(order, [0]);
  t.mock.timers.tick(5);
  assert.deepEqual(order, [0, 1]);
  t.mock.timers.tick(5);
  assert.deepEqual(order, [0, 1, 2]);
});

test("cancelled callbacks do not delay the next one", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => 0);
  const pacer = new RequestPacer(5);
  const order: number[] = [];
  pacer.schedule(() => order.push(0));
  const cancels = Array.from({ length: 1_500 }, () => pacer.schedule(() => order.push(1)));
  pacer.schedule(() => order.push(2));
  for (const cancel of cancels) cancel();
  t.mock.timers.tick(5);
  assert.deepEqual(order, [0, 2]);
});
