/**
 * What JavaScript in a provider's process can still reach, if an attacker got out of WebAssembly and into it: a program is run
 * with the very flags and the empty environment of that process, and tries.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { confinement } from "../../host/sandbox/child.ts";
import { buildGuests } from "../guests/build.ts";
import { Fixture, localConfig, root } from "../support/fixture.ts";

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
  ["profile itself through an inspector", 'new (require("inspector").Session)().connect()', DENIED],
  [
    "bind a datagram socket",
    'new Promise((done, fail) => require("dgram").createSocket("udp4").on("error", fail).bind(0, "127.0.0.1", done))',
    DENIED,
  ],
  ["look up a name", 'require("dns").promises.lookup("localhost")', DENIED],
  [
    "speak HTTP/2",
    'new Promise((done, fail) => require("http2").connect("http://127.0.0.1:1").on("error", fail).on("connect", done))',
    DENIED,
  ],
  // Node's permission model does not guard this one: the module is not there at all.
  [
    "write through a database",
    'new (require("node:sqlite").DatabaseSync)("/tmp/kleidi-escape.db").exec("create table t (x)")',
    "ERR_UNKNOWN_BUILTIN_MODULE",
  ],
  ["call native functions", 'require("node:ffi")', "ERR_UNKNOWN_BUILTIN_MODULE"],
  ["keep a local storage", 'localStorage.setItem("a", "b")', "ReferenceError"],
  [
    "load an engine of OpenSSL",
    'require("crypto").setEngine("/nowhere.so")',
    "ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED",
  ],
  ["use WASI", 'new (require("wasi").WASI)({ version: "preview1" })', DENIED],
  ["reach Node's internals", 'process.binding("fs")', DENIED],
  ["become another program", 'process.execve("/bin/true", ["true"], {})', DENIED],
  ["write a report", 'process.report.writeReport("/tmp/kleidi-escape")', DENIED],
  ["write a heap snapshot", 'require("v8").writeHeapSnapshot("/tmp/kleidi-escape")', DENIED],
  ["register a loader", 'require("module").register("data:text/javascript,1")', DENIED],
  ["follow a link", 'require("fs").symlinkSync("/etc", "/tmp/kleidi-escape")', DENIED],
  // What the permission model leaves, guest/harden.mjs takes.
  ["signal the host", "process.kill(process.ppid, 0)", "TypeError"],
  ["have the host open a debugger", "process._debugProcess(process.ppid)", "TypeError"],
  ["take another identity", "process.setuid(65534)", "TypeError"],
  ["slow the host down", 'require("os").setPriority(process.ppid, 19)', "TypeError"],
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

test("a descriptor that the host inherited does not reach a provider's process", async () => {
  const guests = await buildGuests();
  // The shell opens one that is inherited by whatever it starts; the host's own process looks at its child's.
  const program = `
    import { readdirSync, readlinkSync } from "node:fs";
    import { startSandbox } from ${JSON.stringify(join(root, "test/support/sandbox.ts"))};
    const sandbox = await startSandbox("crypto", ${JSON.stringify(guests.crypto)});
    const at = (pid) => readdirSync("/proc/" + pid + "/fd").map((fd) => {
      try { return readlinkSync("/proc/" + pid + "/fd/" + fd); } catch { return ""; }
    });
    const found = (pid) => at(pid).includes("/etc/passwd");
    console.log(JSON.stringify([found("self"), ...sandbox.supervisor.pids.map(found)]));
    await sandbox.stop();`;
  const { stdout, stderr } = spawnSync(
    "sh",
    ["-c", 'exec "$0" --input-type=module --eval "$1" 9</etc/passwd', process.execPath, program],
    { encoding: "utf8" },
  );
  const [host, ...children] = JSON.parse(stdout || `"${stderr}"`);
  assert.equal(host, true, "the host itself has it");
  assert.ok(children.length > 0);
  assert.ok(!children.includes(true));
});

test("SIGUSR1 opens no debugger in a host", async () => {
  const fixture = new Fixture();
  try {
    fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
    const host = await fixture.serve();
    const listening = () =>
      readFileSync(`/proc/${host.pid}/net/tcp`, "utf8").match(/0100007F:240D 00000000:0000 0A/g)?.length ?? 0;
    const before = listening();
    host.kill("SIGUSR1");
    // An ignored or fatal signal is over at once; a debugger would listen on port 9229 (hex 240D).
    await sleep(300);
    assert.equal(listening(), before);
  } finally {
    await fixture.close();
  }
});
