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

test("lines come from the last one to the first one, wherever a chunk ends", () => {
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
  // a newline as the last and as the first byte of a chunk
  for (const length of [262_142, 262_143, 262_144, 262_145, 524_287, 524_288]) {
    const lines = [...Array.from({ length: 70 }, () => "y".repeat(4_000)), "z".repeat(length % 4_000), "end"];
    const text = textOf(lines);
    const padded = [
      ...lines.slice(0, 70),
      "z".repeat((length % 4_000) + ((262_144 - (text.length % 262_144)) % 4_000)),
      "end",
    ];
    assert.deepEqual(backward(textOf(padded)), padded.toReversed());
  }
});

test("what is longer than a line is given up as an empty one, and nothing in front of it is read", () => {
  assert.deepEqual(backward(textOf(["first", "x".repeat(3_000_000), "last"])), ["last", ""]);
});

test("nothing has no line", () => assert.deepEqual(backward(""), []));
