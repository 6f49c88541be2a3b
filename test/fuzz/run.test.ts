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

const ERRORS: [string, string[], string][] = [
  ["no time", ["--minutes", "0"], '--minutes is "0", a number over 0 is expected'],
  ["an unknown target", ["--target", "x"], 'there is no target "x"'],
  ["a seed that is not an integer", ["--seed", "1.5"], '--seed is "1.5", an integer of 32 bits is expected'],
  ["no inputs", ["--inputs", "0"], '--inputs is "0", an integer over 0 is expected'],
  ["a path without a seed", ["--path", "1:2"], "--path requires --target and --seed"],
];
for (const [what, args, said] of ERRORS) {
  test(`npm run fuzz with ${what} reports it and exits 2`, () => {
    const { status, stderr } = fuzz(...args);
    assert.equal(status, 2);
    assert.ok(stderr.startsWith(`Cannot fuzz: ${said}`), stderr);
  });
}

test("npm run fuzz runs one target for the given time, and exits 0", () => {
  const { status, stdout } = fuzz("--target", "wire", "--minutes", "0.005", "--seed", "5");
  assert.equal(status, 0);
  assert.match(
    stdout,
    /^Fuzzing for 0\.005 minutes from seed 5\nwire: [1-9]\d* inputs, 0 failures \(.*\)\nIn all: [1-9]\d* inputs\n$/,
  );
});

test("npm run fuzz stops after the given number of inputs, and exits 0", () => {
  const { status, stdout } = fuzz("--target", "codec", "--inputs", "2000", "--seed", "5");
  assert.equal(status, 0);
  const [, count] = /^In all: (\d+) inputs$/m.exec(stdout) ?? [];
  assert.ok(Number(count) >= 2000 && Number(count) < 2200, stdout);
});

test("npm run fuzz prints its summary on SIGINT and exits 0", async () => {
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
  assert.match(said, /wire: \d+ inputs, 0 failures/);
});
