/**
 * What JavaScript in a provider's process can still reach, if an attacker got out of WebAssembly and into it: a program is run
 * with the very flags and the empty environment of that process, and tries.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { confinement } from "../../host/sandbox/child.ts";
import { root } from "../support/fixture.ts";

const MEMORY = 16 << 20;

/** Runs the program, which prints one line. */
function inside(program: string): string {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...confinement(MEMORY), "--eval", program],
    {
      env: {},
      cwd: "/",
      encoding: "utf8",
    },
  );
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** A program that prints how an expression fails. */
function attempt(expression: string): string {
  return `
    const told = (error) => console.log(error.code ?? error.name);
    process.on("uncaughtException", (error) => { told(error); process.exit(0); });
    Promise.resolve().then(async () => { const result = await (${expression}); console.log("reached", typeof result); process.exit(0); }).catch((error) => { told(error); process.exit(0); });`;
}

const DENIED = "ERR_ACCESS_DENIED";
const attempts: [what: string, expression: string, outcome: string][] = [
  ["read /etc/passwd", 'require("fs").readFileSync("/etc/passwd")', DENIED],
  [
    "read the host's sources",
    `require("fs").readFileSync(${JSON.stringify(join(root, "host", "main.ts"))})`,
    DENIED,
  ],
  ["read its own environment in /proc", 'require("fs").readFileSync("/proc/self/environ")', DENIED],
  ["list the root folder", 'require("fs").readdirSync("/")', DENIED],
  ["write a file", 'require("fs").writeFileSync("/tmp/kleidi-escape", "x")', DENIED],
  [
    "follow a relative path out of its folder",
    `require("fs").readFileSync(${JSON.stringify(join(root, "host", "sandbox", "guest"))} + "/../../../package-lock.json")`,
    DENIED,
  ],
  [
    "connect to a port",
    'new Promise((done, fail) => require("net").connect(1, "127.0.0.1").on("connect", done).on("error", fail))',
    DENIED,
  ],
  [
    "listen on a port",
    'new Promise((done, fail) => require("net").createServer().on("error", fail).listen(0, "127.0.0.1", done))',
    DENIED,
  ],
  [
    "connect to a Unix socket",
    'new Promise((done, fail) => require("net").connect("/run/kleidi/kms.sock").on("connect", done).on("error", fail))',
    DENIED,
  ],
  [
    "send a datagram",
    'new Promise((done, fail) => require("dgram").createSocket("udp4").on("error", fail).send("x", 1, "127.0.0.1", (error) => error ? fail(error) : done()))',
    DENIED,
  ],
  ["fetch", 'fetch("http://127.0.0.1:8080/").catch((error) => { throw error.cause ?? error; })', DENIED],
  ["start a program", 'require("child_process").spawnSync("/bin/true")', DENIED],
  ["start a worker", 'new (require("worker_threads").Worker)("1", { eval: true })', DENIED],
  ["load a native addon", 'process.dlopen({ exports: {} }, "/nowhere.node")', "ERR_DLOPEN_DISABLED"],
  ["make code from a string", 'new Function("return 1")', "EvalError"],
  ["open an inspector", 'require("inspector").open(0)', DENIED],
];
for (const [what, expression, outcome] of attempts) {
  test(`the provider's process cannot ${what}`, () => {
    assert.equal(inside(attempt(expression)), outcome);
  });
}

test("the provider's process has no environment", () => {
  assert.equal(inside("console.log(JSON.stringify(process.env))"), "{}");
});

test("the provider's process cannot have more WebAssembly memory than its limit", () => {
  const pages = MEMORY / 65_536;
  const grow = `
    const memory = new WebAssembly.Memory({ initial: 1 });
    let pages = 1;
    try { for (;;) { memory.grow(1); pages += 1; } } catch { console.log(pages); }`;
  assert.equal(inside(grow), String(pages));
});
