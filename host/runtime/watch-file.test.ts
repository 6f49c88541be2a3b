import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { watchFile } from "./watch-file.ts";

/** A watch of a file whose looks are the test's: `look` is one interval. */
function watched(t: TestContext) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const folder = mkdtempSync(join(tmpdir(), "kleidi-watch-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "kleidi.yaml");
  writeFileSync(path, "one");
  let changes = 0;
  const end = watchFile(path, () => changes++, { intervalMs: 1000, largest: 1024 });
  t.after(end);
  return { folder, path, end, look: () => t.mock.timers.tick(1000), changes: () => changes };
}

test("a change is told once, when the file is the same in two looks", (t) => {
  const { path, look, changes } = watched(t);
  look();
  writeFileSync(path, "tw");
  look();
  writeFileSync(path, "two");
  look();
  assert.equal(changes(), 0);
  look();
  look();
  assert.equal(changes(), 1);
});

test("a link that is turned, a missing file and a file that came back are seen", (t) => {
  const { folder, path, look, changes } = watched(t);
  writeFileSync(join(folder, "next"), "next");
  symlinkSync("next", join(folder, "link"));
  renameSync(join(folder, "link"), path);
  for (let n = 0; n < 2; n++) look();
  assert.equal(changes(), 1);
  rmSync(path);
  for (let n = 0; n < 2; n++) look();
  assert.equal(changes(), 2);
  writeFileSync(path, "next");
  for (let n = 0; n < 2; n++) look();
  assert.equal(changes(), 3);
});

test("a change that is undone before the second look, and one after the end, are not told", (t) => {
  const { path, look, end, changes } = watched(t);
  writeFileSync(path, "two");
  look();
  writeFileSync(path, "one");
  for (let n = 0; n < 3; n++) look();
  assert.equal(changes(), 0);
  end();
  writeFileSync(path, "three");
  for (let n = 0; n < 3; n++) look();
  assert.equal(changes(), 0);
});
