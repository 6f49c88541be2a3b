import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { linesBackward } from "./backward.ts";
import { LONGEST_LINE } from "./record.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "lines");

function backward(text: string): string[] {
  writeFileSync(file, text, "latin1");
  const descriptor = openSync(file, "r");
  try {
    return [...linesBackward(descriptor, text.length)];
  } finally {
    closeSync(descriptor);
  }
}

const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

test("lines are read from the last one to the first one, across chunk boundaries", () => {
  const line = fc.integer({ min: 0, max: LONGEST_LINE - 1 }).map((length) => "x".repeat(length));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 300, size: "max" }), (lines) => {
      const numbered = lines.map((text, i) =>
        text === "" ? text : `${i} ${text}`.slice(0, LONGEST_LINE - 1),
      );
      assert.deepEqual(backward(textOf(numbered)), numbered.toReversed());
    }),
    { numRuns: 100 },
  );
  // a line begins before, at, and after a chunk boundary
  for (const more of [-2, -1, 0, 1, 2]) {
    const full = Array.from({ length: 65 }, (_, i) => `${i}`.padEnd(4_000, "y"));
    const lines = ["first", "z".repeat(262_144 + more - 65 * 4_001 - 1), ...full];
    assert.equal(textOf(lines.slice(1)).length, 262_144 + more);
    assert.deepEqual(backward(textOf(lines)), lines.toReversed());
  }
});

test("a line that is too long is read as an empty line, and no lines before it are read", () => {
  assert.deepEqual(backward(textOf(["first", "x".repeat(3_000_000), "last"])), ["last", ""]);
});

test("an empty file has no lines", () => assert.deepEqual(backward(""), []));
