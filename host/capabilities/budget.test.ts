import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "./budget.ts";

/** A budget and a clock that the test advances. */
function setUp(perMinute: number) {
  const clock = { ms: 1_000_000 };
  const budget = new Budget(perMinute, () => clock.ms);
  const takeAll = () => {
    let taken = 0;
    while (budget.take()) taken += 1;
    return taken;
  };
  return { clock, budget, takeAll };
}

test("one minute's budget can be used at once, and no more", () => {
  assert.equal(setUp(100).takeAll(), 100);
});

test("half a minute restores half of the budget", () => {
  const { clock, takeAll } = setUp(100);
  takeAll();
  clock.ms += 30_000;
  assert.equal(takeAll(), 50);
});

test("an idle hour accumulates at most one minute's budget", () => {
  const { clock, takeAll } = setUp(100);
  takeAll();
  clock.ms += 3_600_000;
  assert.equal(takeAll(), 100);
});

test("a constant caller gets exactly the rate", () => {
  const { clock, budget, takeAll } = setUp(600);
  takeAll();
  let taken = 0;
  for (let i = 0; i < 6000; i++) {
    clock.ms += 10;
    if (budget.take()) taken += 1;
  }
  // A minute in steps of 10 ms; rounding may leave the last fraction short.
  assert.ok(taken === 600 || taken === 599, `${taken} were taken`);
});

test("a budget of zero allows nothing", () => {
  const { clock, takeAll } = setUp(0);
  clock.ms += 120_000;
  assert.equal(takeAll(), 0);
});

test("a budget of one per minute is restored after a minute, and not before", () => {
  const { clock, budget } = setUp(1);
  assert.equal(budget.take(), true);
  clock.ms += 59_999;
  assert.equal(budget.take(), false);
  clock.ms += 1;
  assert.equal(budget.take(), true);
});
