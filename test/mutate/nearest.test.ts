/** The order in which tests are run. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { nearestTests } from "./nearest.ts";

const root = mkdtempSync(join(tmpdir(), "kleidi-nearest-"));
after(() => rmSync(root, { recursive: true, force: true }));

/** The imports by file. */
const TREE: Readonly<Record<string, readonly string[]>> = {
  "host/a/trust-rules.ts": [],
  "host/a/parse.ts": ["./trust-rules.ts"],
  "host/a/parse.test.ts": ["./parse.ts"],
  "host/a/trust.test.ts": ["./parse.ts"],
  "host/a/trust-rules.slow.test.ts": [],
  "host/a/other.test.ts": ["./parse.ts"],
  "host/a/stranger.test.ts": [],
  "host/b/b.ts": ["../a/parse.ts"],
  "host/b/b.test.ts": ["./b.ts"],
  "host/c/far.ts": [],
  "host/c/between.ts": ["./far.ts"],
  "test/far.test.ts": ["../host/c/between.ts"],
  "test/far-too.test.ts": ["../host/c/between.ts"],
  "test/direct.test.ts": ["../host/a/trust-rules.ts"],
};
for (const [name, imports] of Object.entries(TREE)) {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), imports.map((to) => `import "${to}";\n`).join(""));
}

test("the file's own tests come first, then tests in its folder with a similar name, then others by distance", () => {
  const near = [
    "host/a/trust-rules.slow.test.ts",
    "host/a/trust.test.ts",
    "host/a/other.test.ts",
    "host/a/parse.test.ts",
    "test/direct.test.ts",
  ];
  assert.deepEqual(nearestTests(root, "host/a/trust-rules.ts", 1), near);
  assert.deepEqual(nearestTests(root, "host/a/trust-rules.ts", 3), [...near, "host/b/b.test.ts"]);
});

test("if no test is within that distance, the nearest ones are run", () => {
  assert.deepEqual(nearestTests(root, "host/c/far.ts", 1), ["test/far-too.test.ts", "test/far.test.ts"]);
});
