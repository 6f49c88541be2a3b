import assert from "node:assert/strict";
import { test } from "node:test";
import { PATIENCE, Patience } from "./patience.ts";

const SHORT = 10;
const GOOD = PATIENCE.goodLifeMs;

test("the first end is replaced at once, later ones after ever longer pauses, the tenth by quarantine", () => {
  const patience = new Patience();
  const told = Array.from({ length: 10 }, () => patience.ended(SHORT));
  assert.deepEqual(
    told.map((next) => (next.what === "start" ? next.inMs : next.what)),
    [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, "quarantine"],
  );
});

test("a process that lived long ends the series", () => {
  const patience = new Patience();
  for (let i = 0; i < 9; i++) patience.ended(SHORT);
  assert.deepEqual(patience.ended(GOOD), { what: "start", inMs: 0 });
  assert.equal(patience.failures, 1);
});

test("each quarantine without a good life in between is twice as long, up to an hour", () => {
  const patience = new Patience({ failures: 1 });
  const minutes = Array.from({ length: 6 }, () => {
    const next = patience.ended(SHORT);
    return next.what === "quarantine" ? next.forMs / 60_000 : next.what;
  });
  assert.deepEqual(minutes, [5, 10, 20, 40, 60, 60]);
});

test("after a quarantine one failure is enough for the next", () => {
  const patience = new Patience({ failures: 3 });
  for (let i = 0; i < 3; i++) patience.ended(SHORT);
  assert.equal(patience.ended(SHORT).what, "quarantine");
});

test("a good life after a quarantine gives the whole patience back", () => {
  const patience = new Patience({ failures: 2 });
  patience.ended(SHORT);
  assert.equal(patience.ended(SHORT).what, "quarantine");
  assert.equal(patience.ended(GOOD).what, "start");
  const next = patience.ended(SHORT);
  assert.deepEqual(next, { what: "quarantine", forMs: PATIENCE.firstQuarantineMs });
});
