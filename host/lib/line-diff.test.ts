import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lineDiff } from "./line-diff.ts";

test("equal texts have no difference", () => {
  assert.deepEqual(lineDiff("a\nb\n", "a\nb\n"), []);
  assert.deepEqual(lineDiff("", ""), []);
});

test("changes that are far apart are hunks of their own, with two lines around each", () => {
  const before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
  const after = "1\n2\n3\n4\n5\n6\n7\n8\n9\n".replace("2", "two").replace("9\n", "");
  assert.deepEqual(lineDiff(before, after), [
    ...["@@ -1,4 +1,4 @@", " 1", "-2", "+two", " 3", " 4"],
    ...["@@ -7,3 +7,2 @@", " 7", " 8", "-9"],
  ]);
});

test("a patch of all hunks gives the second text", () => {
  const lines = fc.array(fc.constantFrom("a", "b", "c", ""), { maxLength: 12 });
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const text = (all: readonly string[]) => all.map((line) => `${line}\n`).join("");
      assert.deepEqual(patched(before, lineDiff(text(before), text(after))), after);
    }),
  );
});

function patched(before: readonly string[], diff: readonly string[]): string[] {
  const lines: string[] = [];
  let at = 0;
  for (const line of diff) {
    const start = /^@@ -(\d+),/.exec(line)?.[1];
    if (start !== undefined) {
      for (; at < Number(start) - 1; at++) lines.push(before[at] ?? "");
      continue;
    }
    if (line[0] !== "+") {
      assert.equal(before[at], line.slice(1));
      at++;
    }
    if (line[0] !== "-") lines.push(line.slice(1));
  }
  return [...lines, ...before.slice(at)];
}
