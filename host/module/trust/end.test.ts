import assert from "node:assert/strict";
import { test } from "node:test";
import { endOfDay } from "./days.ts";
import { trustEnd } from "./end.ts";
import type { Signer } from "./signer.ts";

/** @param key the last day by trust.keys; @param signature the last day in the trusted comment */
function signer(name: string, key?: string, signature?: string): Signer {
  const [expires] = [key, signature].filter((day) => day !== undefined).sort();
  return {
    name,
    keyId: name,
    trustedComment: "",
    ...(expires && { expires }),
    ...(key && { keyExpires: key }),
  };
}

function end(threshold: number, ...signers: Signer[]) {
  const found = trustEnd("local", { threshold, signers, ignored: [] });
  return found && [found.kind, found.name, found.day, found.at];
}

const DAYS = ["2027-01-31", "2027-06-30"] as const;
const [soon, later] = DAYS;

test("a module is admitted until too few of its signatures count, and the first that then lacks is named", () => {
  assert.equal(end(1, signer("a")), undefined);
  assert.deepEqual(end(1, signer("a", undefined, soon)), ["signature", "local", soon, endOfDay(soon)]);
  assert.deepEqual(end(1, signer("a", soon)), ["trust-key", "a", soon, endOfDay(soon)]);
  assert.deepEqual(end(1, signer("a", later, soon)), ["signature", "local", soon, endOfDay(soon)]);
});

test("signatures beyond the threshold take the place of those that end", () => {
  assert.equal(end(1, signer("a", soon), signer("b")), undefined);
  assert.deepEqual(end(1, signer("a", soon), signer("b", later)), ["trust-key", "b", later, endOfDay(later)]);
  assert.deepEqual(end(2, signer("a", soon), signer("b")), ["trust-key", "a", soon, endOfDay(soon)]);
  assert.deepEqual(end(2, signer("a", undefined, soon), signer("b"), signer("c", later)), [
    "trust-key",
    "c",
    later,
    endOfDay(later),
  ]);
});
