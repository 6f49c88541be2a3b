/** The folder of programs for the wall, where the system's own are too old. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { linkSystem } from "./debian13.ts";

test("a program that the system gets later is linked, and nothing else changes", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-programs-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [system, bin] = [join(folder, "system"), join(folder, "bin")];
  for (const each of [system, bin]) mkdirSync(each);
  writeFileSync(join(system, "prlimit"), "");
  linkSystem(bin, system);
  assert.deepEqual(readdirSync(bin), ["prlimit"]);
  writeFileSync(join(system, "bwrap"), "");
  writeFileSync(join(system, "sh"), "");
  linkSystem(bin, system);
  assert.deepEqual(readdirSync(bin).sort(), ["bwrap", "prlimit"]);
});
