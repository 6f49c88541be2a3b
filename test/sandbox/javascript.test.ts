/**
 * The layer inside the wall: the abilities of JavaScript in a provider's process, if an attacker escaped from WebAssembly into it. A
 * program runs with the exact flags and the empty environment of that process, without a wall, and makes the attempts.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { confinement } from "../../host/sandbox/guest-arguments.ts";
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

/** A program that prints the error of an expression. */
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
  // Node's permission model does not cover this one: the module is absent.
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
];
for (const [what, expression, outcome] of attempts) {
  test(`the provider's process cannot ${what}`, () => {
    assert.equal(inside(attempt(expression)), outcome);
  });
}

/** A program, part of which runs after the process was hardened like the guest's own program. */
function hardened(program: string): string {
  const harden = pathToFileURL(join(root, "host/sandbox/guest/harden.mjs")).href;
  return inside(`
    const { writeSync } = require("fs");
    const log = (...words) => writeSync(1, words.join(" "));
    const exit = process.exit.bind(process);
    import(${JSON.stringify(harden)}).then(async ({ harden }) => {
      harden();
      ${program}
    }).catch((error) => log("failed", error.stack));`);
}

/** The end of the program prints the error of an expression; modules are named as in the message. */
const failing = (expression: string) =>
  `try { const result = await (${expression}); log("reached", typeof result); } catch (error) { log(error.code ?? error.name, error.message.replace(/^Cannot read.*/, "")); } exit(0);`;

const notThere = (name: string) => `Error ${name} cannot be imported: the program is loaded`;
const taken: [what: string, expression: string, outcome: string][] = [
  ["import a module of Node", 'import("node:fs")', notThere("node:fs")],
  ["import a module of Node that it has loaded itself", 'import("node:crypto")', notThere("node:crypto")],
  ["require a module of Node", 'require("fs")', "ReferenceError require is not defined"],
  [
    "require the engine's flags",
    'require("v8").setFlagsFromString("--allow-natives-syntax")',
    "ReferenceError require is not defined",
  ],
  ["import a file", 'import("file:///etc/passwd")', notThere("file:///etc/passwd")],
  ["import text as code", 'import("data:text/javascript,1")', notThere("data:text/javascript,1")],
  [
    "get a module of Node",
    'process.getBuiltinModule("fs")',
    "TypeError process.getBuiltinModule is not a function",
  ],
  ["write a report", 'process.report.writeReport("/tmp/kleidi-escape")', "TypeError"],
  ["signal the host", "process.kill(1, 0)", "TypeError process.kill is not a function"],
  [
    "have the host open a debugger",
    "process._debugProcess(1)",
    "TypeError process._debugProcess is not a function",
  ],
  ["take another identity", "process.setuid(65534)", "TypeError process.setuid is not a function"],
  ["fetch", 'fetch("http://127.0.0.1/")', "ReferenceError fetch is not defined"],
  ["open a web socket", 'new WebSocket("ws://127.0.0.1/")', "ReferenceError WebSocket is not defined"],
  [
    "name an environment variable",
    '(() => { "use strict"; process.env.TZ = "/etc/shadow"; })()',
    "TypeError Cannot add property TZ, object is not extensible",
  ],
  [
    "replace the environment",
    '(() => { "use strict"; process.env = { TZ: "/etc/shadow" }; })()',
    "TypeError Cannot assign to read only property 'env' of object '#<process>'",
  ],
];
for (const [what, expression, outcome] of taken) {
  test(`the provider's process, hardened, cannot ${what}`, () => {
    assert.equal(hardened(failing(expression)), outcome);
  });
}

/** ECMA-262, 19, and its proposals that V8 has: no access to anything. */
const LANGUAGE =
  "AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array BigUint64Array Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol SyntaxError Temporal TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly decodeURI decodeURIComponent encodeURI encodeURIComponent escape globalThis isFinite isNaN parseFloat parseInt undefined unescape";
const NODE =
  "Buffer TextDecoder TextEncoder URL clearImmediate clearTimeout gc global process queueMicrotask setImmediate setTimeout";
const PROCESS =
  "_events _eventsCount _exiting _fatalException _maxListeners _rawDebug _tickCallback arch argv0 domain emitWarning env exit exitCode features nextTick permission platform reallyExit release version versions";

test("the provider's process, hardened, has exactly these globals", () => {
  const names = hardened("log(Object.getOwnPropertyNames(globalThis).sort().join(' ')); exit(0);");
  assert.equal(names, [...LANGUAGE.split(" "), ...NODE.split(" ")].sort().join(" "));
});

test("the provider's process, hardened, has exactly these members of process", () => {
  assert.equal(hardened("log(Object.getOwnPropertyNames(process).sort().join(' ')); exit(0);"), PROCESS);
});

test("the provider's process, hardened, has no environment", () => {
  assert.equal(
    hardened("log(JSON.stringify(process.env), Object.isFrozen(process.env)); exit(0);"),
    "{} true",
  );
});

const FLAGS = [
  "--experimental-wasm-assume-ref-cast-succeeds",
  "--heap-snapshot-path=/tmp/kleidi-escape",
  "--allow-natives-syntax",
];
for (const flag of FLAGS) {
  test(`the provider's process cannot set the engine's flag ${flag}, and exits`, () => {
    const program = `require("v8").setFlagsFromString(${JSON.stringify(flag)}); console.log("set");`;
    const { stdout, status } = spawnSync(process.execPath, [...confinement(MEMORY), "--eval", program], {
      env: {},
      cwd: "/",
      encoding: "utf8",
    });
    assert.deepEqual([stdout, status], ["", null]);
  });
}

test("the provider's process cannot have more WebAssembly memory than its limit", () => {
  const pages = MEMORY / 65_536;
  const grow = `
    const memory = new WebAssembly.Memory({ initial: 1 });
    let pages = 1;
    try { for (;;) { memory.grow(1); pages += 1; } } catch { console.log(pages); }`;
  assert.equal(inside(grow), String(pages));
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
    // The effect of an ignored or fatal signal is immediate; a debugger would listen on port 9229 (hex 240D).
    await sleep(300);
    assert.equal(listening(), before);
  } finally {
    await fixture.close();
  }
});
