/** kleidi diff as a release gate. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { kleidi, localModule, sha256Of } from "../support/fixture.ts";
import { call, guest, hostCall, row } from "../support/inspected.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-diff-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(kleidi, ["diff", ...args], { encoding: "utf8" });
}

function put(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const less = put("less.wasm", guest());
const more = put(
  "more.wasm",
  guest({
    imports: hostCall("keystore", "open"),
    bodies: { status: call("keystore", "open") },
    rows: [row("keystore", "open", "status")],
  }),
);

test("exits 0 for the same module", () => {
  const { status, stdout } = run(localModule, localModule);
  assert.equal(status, 0);
  assert.match(stdout, /^same: /);
});

test("exits 1 for wider authority, and names the RPC and the addition", () => {
  const { status, stdout } = run(less, more);
  assert.equal(status, 1);
  assert.match(stdout, /^widened: /);
  assert.match(stdout, /^ {2}\+ operation status: keystore\.open: /m);
});

test("exits 0 for narrower authority", () => {
  const { status, stdout } = run(more, less);
  assert.equal(status, 0);
  assert.match(stdout, /^narrowed: /);
});

test("prints the verdict, both digests and the changes as JSON", () => {
  const { status, stdout } = run(less, more, "--json");
  assert.equal(status, 1);
  const { diff, verdict, old, new: now, changes } = JSON.parse(stdout);
  assert.deepEqual([diff, verdict], [1, "widened"]);
  assert.deepEqual([old.sha256, now.sha256], [sha256Of(less), sha256Of(more)]);
  assert.equal(old.refused, false);
  assert.deepEqual(changes, [
    {
      direction: "wider",
      change: "operation",
      of: "status: keystore.open",
      before: "neither requested nor reached",
      after: "requested and reached",
    },
  ]);
});

for (const [what, path, said] of [
  ["no module", put("script.wasm", "#!/bin/sh\n"), /^error: Cannot compare .*: reading stops at byte 0: /],
  ["no readable manifest", put("bad.wasm", guest({ manifest: "{" })), /: its manifest is not valid JSON\n$/],
  [
    "no file",
    join(folder, "none.wasm"),
    /^error: Cannot read .*: it cannot be read \(ENOENT\); put the file there, or correct the path\n$/,
  ],
] as const) {
  test(`${what} on either side exits 2: it does not pass for a module without authority`, () => {
    for (const sides of [
      [path, less],
      [less, path],
    ]) {
      const { status, stdout, stderr } = run(...sides);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, said);
    }
  });
}

test("reports one argument as a usage error", () => assert.equal(run(less).status, 2));
