/** npm run mutate, on a small tree of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

const PROGRAM = join(import.meta.dirname, "mutate.ts");
const SUM = "export function isMore(a: number, b: number): boolean {\n  return a > b;\n}\n";
const STRONG = "assert.ok(isMore(2, 1)); assert.ok(!isMore(1, 1)); assert.ok(!isMore(1, 2));";
const WEAK = "assert.ok(isMore(2, 1)); assert.ok(!isMore(1, 2));";

let tree: string;
/** Where the copies are made. */
let temporary: string;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-mutate-test-"));
  tree = join(folder, "tree");
  temporary = join(folder, "t");
  for (const path of [join(tree, "host"), temporary]) mkdirSync(path, { recursive: true });
  write("package.json", '{ "type": "module" }');
  write(
    "tsconfig.json",
    JSON.stringify({ compilerOptions: OPTIONS, include: ["host/*.ts"], exclude: ["**/*.test.ts"] }),
  );
  write("host/sum.ts", SUM);
});
afterEach(() => rmSync(join(tree, ".."), { recursive: true, force: true }));

const OPTIONS = {
  module: "nodenext",
  target: "esnext",
  strict: true,
  types: [],
  allowImportingTsExtensions: true,
  noEmit: true,
};

function write(name: string, text: string): void {
  writeFileSync(join(tree, name), text);
}

function writeTest(body: string): void {
  write(
    "host/sum.test.ts",
    `import assert from "node:assert/strict";\nimport { test } from "node:test";\nimport { isMore } from "./sum.ts";\ntest("isMore", async () => { ${body} });\n`,
  );
}

function mutate(...args: string[]) {
  const env = { ...process.env, TMPDIR: temporary, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: tree,
    env,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

function assertUntouched(): void {
  assert.equal(readFileSync(join(tree, "host/sum.ts"), "utf8"), SUM);
  assert.deepEqual(readdirSync(temporary), [], "no copy is left");
}

test("lists the changes that no test notices, and exits 1", () => {
  writeTest(WEAK);
  const { status, stdout } = mutate("host/sum.ts", "--kind", "operator");
  assert.match(
    stdout,
    /^host\/sum\.ts: 1 of 1 changes, 1 test files\n {2}host\/sum\.ts:2 operator: ">" → ">="\n/,
  );
  assert.match(stdout, /1 files: killed 0 of 1 \(0\.0 %\)\n$/);
  assert.equal(status, 1);
  assertUntouched();
});

test("exits 0 where each change is noticed", () => {
  writeTest(STRONG);
  const { status, stdout } = mutate("host/sum.ts", "--kind", "operator", "--kind", "early");
  assert.match(stdout, /1 files: killed 3 of 3 \(100\.0 %\)\n$/);
  assert.equal(status, 0);
  assertUntouched();
});

test("prints one document with --json", () => {
  writeTest(WEAK);
  const { stdout } = mutate("host/sum.ts", "--kind", "operator", "--json");
  assert.deepEqual(JSON.parse(stdout), {
    files: [
      {
        file: "host/sum.ts",
        changes: 1,
        tests: ["host/sum.test.ts"],
        leftOut: [],
        killed: 0,
        notCompiled: 0,
        notTried: 0,
        survivors: [{ file: "host/sum.ts", line: 2, kind: "operator", was: ">", is: ">=" }],
      },
    ],
  });
});

test("does not count a change that fails the type check as a survivor", () => {
  writeTest("assert.ok(isMore);");
  write(
    "host/sum.ts",
    "export const isMore = (a: string): boolean => a.length > 1;\nexport const x: true = true;\n",
  );
  const { stdout } = mutate("host/sum.ts", "--kind", "boolean");
  // one change of the value, one of the type
  assert.match(stdout, /killed 0, survived 0, not compiled 2\n/);
});

test("exits 1 and reports a file without a passing test", () => {
  writeTest("assert.fail();");
  const { status, stdout } = mutate("host/sum.ts", "--kind", "operator");
  assert.match(stdout, /left out, because it fails with nothing changed: host\/sum\.test\.ts\n/);
  assert.match(stdout, /no test can be run for it; /);
  assert.equal(status, 1);
});

test("counts a hanging test as a noticed change, and ends the processes that the test started", async () => {
  writeTest(
    `if (!isMore(2, 1)) { const { spawn } = await import("node:child_process"); const { pid } = spawn("sleep", ["1000"], { stdio: "inherit" }); (await import("node:fs")).writeFileSync(${JSON.stringify(join(temporary, "../pid"))}, String(pid)); await new Promise((r) => setTimeout(r, 1e6)); }`,
  );
  const { status, stdout } = mutate("host/sum.ts", "--kind", "return");
  assert.equal(status, 0, stdout);
  const pid = Number(readFileSync(join(temporary, "../pid"), "utf8"));
  // it disappears when its new parent has reaped it
  while (isRunning(pid)) await delay(20);
  assertUntouched();
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} in the middle of a test leaves the tree unchanged, no copy and no process`, async () => {
    const mark = join(temporary, "../pid");
    writeTest(
      `(await import("node:fs")).writeFileSync(${JSON.stringify(mark)}, String(process.pid)); await new Promise((r) => setTimeout(r, 1e6));`,
    );
    const child = spawn(process.execPath, [PROGRAM, "host/sum.ts"], {
      cwd: tree,
      env: { ...process.env, TMPDIR: temporary, NODE_TEST_CONTEXT: undefined },
      stdio: "ignore",
    });
    await until(() => existsSync(mark) && readFileSync(mark, "utf8") !== "", child);
    child.kill(signal);
    await once(child, "exit");
    assertUntouched();
    while (isRunning(Number(readFileSync(mark, "utf8")))) await delay(20);
  });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(holds: () => boolean, child: ChildProcess): Promise<void> {
  while (!holds()) {
    assert.equal(child.exitCode, null, "it has ended");
    await delay(20);
  }
}

describe("a usage error exits 2 and names the expected value:", () => {
  const ERRORS: readonly (readonly [string, readonly string[], string])[] = [
    ["no file", [], "no FILE is given"],
    ["a file that does not exist", ["host/x.ts"], 'there is no file "host/x.ts" in this folder'],
    [
      "a test",
      ["host/sum.test.ts"],
      '"host/sum.test.ts" is not a source file: a .ts or .mjs file is expected',
    ],
    [
      "a count of 0",
      ["host/sum.ts", "--count", "0"],
      '--count is "0", an integer from 1 to 1000 is expected',
    ],
    [
      "a fraction as count",
      ["host/sum.ts", "--count", "1.5"],
      '--count is "1.5", an integer from 1 to 1000 is expected',
    ],
    ["no time", ["host/sum.ts", "--minutes", "0"], '--minutes is "0", a number from 0.01 to 600 is expected'],
    [
      "too long a limit",
      ["host/sum.ts", "--limit", "601"],
      '--limit is "601", a number from 1 to 600 is expected',
    ],
    ["an unknown option", ["host/sum.ts", "--x"], "Unknown option '--x'"],
  ];
  for (const [what, args, message] of ERRORS) {
    test(what, () => {
      const { status, stderr, stdout } = mutate(...args);
      assert.ok(stderr.startsWith(`Cannot mutate: ${message}`), stderr);
      assert.equal(stdout, "");
      assert.equal(status, 2);
    });
  }
});

test("--help shows examples and the exit codes", () => {
  const { status, stdout } = mutate("--help");
  assert.match(stdout, /Examples:\n {2}npm run mutate -- host\/kms\/seal\.ts\n/);
  assert.match(stdout, /Exit codes: 0 success, 1 survivors found .*, 2 usage error\.\n$/);
  assert.equal(status, 0);
});
