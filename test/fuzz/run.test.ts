import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

const program = join(import.meta.dirname, "run.ts");

function fuzz(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

const MISUSES: [string, string[], string][] = [
  ["no time", ["--minutes", "0"], '--minutes is "0", a number over 0 is expected'],
  ["an unknown target", ["--target", "x"], 'there is no target "x"'],
  ["a seed that is no integer", ["--seed", "1.5"], '--seed is "1.5", an integer of 32 bits is expected'],
  ["a path without a seed", ["--path", "1:2"], "--path is of no use without --target and --seed"],
];
for (const [what, args, said] of MISUSES) {
  test(`npm run fuzz with ${what} says so and ends with 2`, () => {
    const { status, stderr } = fuzz(...args);
    assert.equal(status, 2);
    assert.ok(stderr.startsWith(`Cannot fuzz: ${said}`), stderr);
  });
}

test("npm run fuzz runs one target for as long as it is told, and ends with 0", () => {
  const { status, stdout } = fuzz("--target", "wire", "--minutes", "0.005", "--seed", "5");
  assert.equal(status, 0);
  assert.match(stdout, /^Fuzzing for 0\.005 minutes from seed 5\nwire: [1-9]\d* cases, 0 failures \(/);
});

test("npm run fuzz on SIGINT tells what it did and ends with 0", async () => {
  const child = spawn(process.execPath, [program, "--target", "wire"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (text) => {
    if (said === "") child.kill("SIGINT");
    said += text;
  });
  const [status] = await once(child, "close");
  assert.equal(status, 0);
  assert.match(said, /wire: \d+ cases, 0 failures/);
});
