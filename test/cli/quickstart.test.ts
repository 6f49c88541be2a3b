/** The quickstart, and what keeps it from starting. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { root } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const COMMAND = [join(root, "host", "kleidi-node"), join(root, "examples", "quickstart", "quickstart.ts")];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kleidi-quick-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function quickstart(...options: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync("sh", [...COMMAND, ...options], { encoding: "utf8", timeout: 120_000 });
}

test("it makes a round trip; a second one beside it is refused and changes nothing", async () => {
  const first = spawn("sh", [...COMMAND, "--folder", folder], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  first.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = new Promise((resolve) => first.once("exit", resolve));
  try {
    await untilWell(async () => assert.match(output, /the same 32 bytes came back[\s\S]*until Ctrl-C/));
    const { status, stdout, stderr } = quickstart("--folder", folder, "--once");
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^Cannot start: a host serves on .*kms\.sock already; stop that quickstart/m);
  } finally {
    first.kill("SIGTERM");
    assert.equal(await ended, 0);
  }
});

test("a path that is too long for a socket is refused before anything is written", () => {
  const { status, stderr } = quickstart("--folder", join(folder, "x".repeat(90)), "--once");
  assert.equal(status, 1);
  assert.match(stderr, /is 1[0-9]{2} bytes, a socket has at most 100; give a shorter folder/);
});

test("a failure of key init is reported with its reason", () => {
  mkdirSync(join(folder, "keys"), { mode: 0o700 });
  writeFileSync(join(folder, "keys", "quickstart.json"), "{}");
  const { status, stderr } = quickstart("--folder", folder, "--once");
  assert.equal(status, 1);
  assert.match(stderr, /^Cannot create the key: .*its file is gone/m);
  assert.doesNotMatch(stderr, /ReferenceError/);
});

test("an unknown option is refused with exit code 2", () => {
  const { status, stderr } = quickstart("--twice");
  assert.equal(status, 2);
  assert.match(stderr, /the options are --once and --folder/);
});
