import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_RESTART_POLICY, RestartPolicy } from "./restart-policy.ts";

const SHORT = 10;
const GOOD = DEFAULT_RESTART_POLICY.goodLifeMs;

test("the first exit is replaced at once, later ones after growing delays; the tenth leads to quarantine", () => {
  const policy = new RestartPolicy();
  const decisions = Array.from({ length: 10 }, () => policy.onExit(SHORT));
  assert.deepEqual(
    decisions.map((next) => (next.action === "start" ? next.inMs : next.action)),
    [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, "quarantine"],
  );
});

test("a long life ends the series", () => {
  const policy = new RestartPolicy();
  for (let i = 0; i < 9; i++) policy.onExit(SHORT);
  assert.deepEqual(policy.onExit(GOOD), { action: "start", inMs: 0 });
  assert.equal(policy.failures, 1);
});

test("each quarantine without a long life in between lasts twice as long, up to an hour", () => {
  const policy = new RestartPolicy({ failures: 1 });
  const minutes = Array.from({ length: 6 }, () => {
    const next = policy.onExit(SHORT);
    return next.action === "quarantine" ? next.forMs / 60_000 : next.action;
  });
  assert.deepEqual(minutes, [5, 10, 20, 40, 60, 60]);
});

test("after a quarantine, one exit leads to the next", () => {
  const policy = new RestartPolicy({ failures: 3 });
  for (let i = 0; i < 3; i++) policy.onExit(SHORT);
  assert.equal(policy.onExit(SHORT).action, "quarantine");
});

test("a long life after a quarantine resets the policy", () => {
  const policy = new RestartPolicy({ failures: 2 });
  policy.onExit(SHORT);
  assert.equal(policy.onExit(SHORT).action, "quarantine");
  assert.equal(policy.onExit(GOOD).action, "start");
  const next = policy.onExit(SHORT);
  assert.deepEqual(next, { action: "quarantine", forMs: DEFAULT_RESTART_POLICY.firstQuarantineMs });
});
