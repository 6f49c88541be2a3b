import assert from "node:assert/strict";
import { test } from "node:test";
import { LEAVE_AFTER_MS, MemberSet, RETURN_AFTER_MS } from "./member-set.ts";

const states = (vault: boolean, tpm: boolean) => [
  { name: "vault", isGood: vault },
  { name: "tpm", isGood: tpm },
];

test("at the start the members that are good are taken at once", () => {
  assert.deepEqual(new MemberSet().next(states(false, true), 0), ["tpm"]);
});

test("before a member is good there is none", () => {
  const set = new MemberSet();
  assert.deepEqual(set.next(states(false, false), 0), []);
  assert.deepEqual(set.next(states(true, false), 500_000), ["vault"]);
});

test("a member that fails for less than the bound stays", () => {
  const set = new MemberSet();
  set.next(states(true, true), 0);
  set.next(states(false, true), 1_000);
  assert.deepEqual(set.next(states(false, true), 1_000 + LEAVE_AFTER_MS - 1), ["vault", "tpm"]);
  assert.deepEqual(set.next(states(true, true), 1_000 + LEAVE_AFTER_MS), ["vault", "tpm"]);
});

test("a member that fails for the bound leaves", () => {
  const set = new MemberSet();
  set.next(states(true, true), 0);
  set.next(states(false, true), 1_000);
  assert.deepEqual(set.next(states(false, true), 1_000 + LEAVE_AFTER_MS), ["tpm"]);
});

test("a member returns only after it was good for the bound without a break", () => {
  const set = new MemberSet();
  set.next(states(false, true), 0);
  set.next(states(true, true), 1_000);
  set.next(states(false, true), RETURN_AFTER_MS);
  set.next(states(true, true), RETURN_AFTER_MS + 1);
  assert.deepEqual(set.next(states(true, true), 2 * RETURN_AFTER_MS), ["tpm"]);
  assert.deepEqual(set.next(states(true, true), 2 * RETURN_AFTER_MS + 1), ["vault", "tpm"]);
});

test("a member that comes and goes every few seconds changes the set at most once a minute", () => {
  const set = new MemberSet();
  const seen: string[] = [];
  for (let at = 0; at < 600_000; at += 1_000) {
    const names = set.next(states(Math.floor(at / 5_000) % 2 === 0, true), at).join();
    if (names !== seen.at(-1)) seen.push(names);
  }
  assert.deepEqual(seen, ["vault,tpm"]);
});

test("if all members that are taken fail for the bound, the good ones take their place without a wait", () => {
  const set = new MemberSet();
  set.next(states(false, true), 0);
  set.next(states(true, false), 1_000);
  assert.deepEqual(set.next(states(true, false), 1_000 + LEAVE_AFTER_MS - 1), ["tpm"]);
  assert.deepEqual(set.next(states(true, false), 1_000 + LEAVE_AFTER_MS), ["vault"]);
});

test("if all members fail, the set stays as it is", () => {
  const set = new MemberSet();
  set.next(states(true, true), 0);
  set.next(states(false, false), 1_000);
  assert.deepEqual(set.next(states(false, false), 500_000), ["vault", "tpm"]);
});
