/** docs/providers.md is run: its commands, and the fixture that it shows is the one of the toy provider. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { root } from "../support/fixture.ts";
import { MUTANTS, TOY_FIXTURE } from "./mutants.ts";

const page = readFileSync(join(root, "docs/providers.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "kleidi-page-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("the commands succeed", () => {
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = ""]) => block);
  assert.ok(blocks.length > 0);
  for (const block of blocks) {
    const env = { ...process.env, DIR: folder };
    const { status, stdout, stderr } = spawnSync("sh", ["-ec", block], { cwd: root, env, encoding: "utf8" });
    assert.equal(status, 0, `${block}${stdout}${stderr}`);
  }
});

test("the fixture is that of the toy provider, which the kit passes", () => {
  const [, shown] = /^```json\n(.*?)^```$/ms.exec(page) ?? [];
  assert.equal(shown, readFileSync(TOY_FIXTURE, "utf8"));
});

test("the number of mutants is right", () => {
  const [, shown] = /a good provider with (\d+) faults/.exec(page) ?? [];
  assert.equal(Number(shown), Object.keys(MUTANTS).length);
});
