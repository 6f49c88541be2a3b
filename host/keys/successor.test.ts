import assert from "node:assert/strict";
import { test } from "node:test";
import { successorOf } from "./successor.ts";

for (const [name, year, taken, expected] of [
  ["kek-2026", 2027, [], "kek-2027"],
  ["kek-2026", 2026, [], "kek-2026-2"],
  ["kek-2026-2", 2026, ["kek-2026-2"], "kek-2026-3"],
  ["kek-2026-2", 2028, [], "kek-2028"],
  ["kek-2026", 2027, ["kek-2027"], "kek-2026-2"],
  ["kek2026", 2027, [], "kek-2027"],
  ["2026", 2027, [], "2027"],
  ["main", 2026, [], "main-2"],
  ["main-2", 2026, ["main-2", "main-3"], "main-4"],
] as const)
  test(`${name} is succeeded in ${year} by ${expected}${taken.length === 0 ? "" : `, if ${taken} is taken`}`, () => {
    const names = new Set<string>([name, ...taken]);
    assert.equal(
      successorOf(name, (each) => names.has(each), year),
      expected,
    );
  });
