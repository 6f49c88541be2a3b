/** kleidi conformance on real plugins: that of Kubernetes' tests, one in Go with a key in a file, and kleidí. docs/conformance.md has the results. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PluginResult } from "../../host/conformance/plugin/check.ts";
import { connectionError } from "../../host/grpc/client.ts";
import { Fixture, kleidi, localConfig, root } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const page = readFileSync(join(root, "docs/conformance.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "kleidi-plugins-"));
const children: ChildProcess[] = [];
const pidFile = join(folder, "localpeer.pid");
let fixture: Fixture;
after(async () => {
  for (const child of children) child.kill("SIGKILL");
  // the restarted one is no child of this process
  process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
  await fixture.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  readonly status: number;
  readonly ok: boolean;
  readonly results: readonly PluginResult[];
}

/** By the name of the plugin in the page. */
const runs = new Map<string, Run>();

async function conformance(name: string, socket: string, ...args: string[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<{ status: number; stdout: string; stderr: string }>();
  const command = ["conformance", socket, "--json", "--timeout", "30000", ...args];
  execFile(kleidi, command, { timeout: 300_000 }, (error, stdout, stderr) =>
    resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
  );
  const { status, stdout, stderr } = await promise;
  assert.ok(stdout !== "", stderr);
  const { ok, results } = JSON.parse(stdout);
  runs.set(name, { status, ok, results });
}

/** Builds with Go, or finds what was built. */
function built(script: string): string {
  const stdout = execFileSync("bash", [join(root, script)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return dirname(stdout.trim());
}

function start(program: string, ...args: string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  return child;
}

async function listens(socket: string): Promise<void> {
  await untilWell(async () => assert.equal(await connectionError(socket), undefined));
}

before(async () => {
  await tryBase64();
  await tryLocalpeer();
  await tryKleidi();
});

async function tryBase64(): Promise<void> {
  const socket = join(folder, "base64.sock");
  const child = start(join(built("test/kmsclient/build.sh"), "base64plugin"), socket);
  await once(child.stdout ?? assert.fail(), "data");
  await conformance("base64", socket, "--rotate", `kill -USR1 ${child.pid}`);
}

async function tryLocalpeer(): Promise<void> {
  const socket = join(folder, "localpeer.sock");
  const program = join(built("bench/go/build.sh"), "localpeer");
  const key = join(folder, "key");
  writeFileSync(key, "the key of a test", { mode: 0o600 });
  const again = `${program} --socket ${socket} --key ${key} >/dev/null 2>&1 & echo $! >${pidFile}`;
  execFileSync("sh", ["-c", again]);
  await listens(socket);
  await conformance("localpeer", socket, "--restart", `kill $(cat ${pidFile}); ${again}`);
}

/** The new key is staged before; its promotion is the rotation that an API server sees. */
async function tryKleidi(): Promise<void> {
  fixture = new Fixture();
  const admin = { listen: `unix:${join(fixture.folder, "admin.sock")}` };
  fixture.write(localConfig([{ name: "kek", use: "active" }], { admin })).keyInit("kek");
  await fixture.serve();
  await fixture.runAside("key", "rotate", "kek", "--as", "kek-2");
  // a provider that is not ready within 5 s, on a busy machine, makes a reload fail
  await untilWell(() => fixture.runAside("reload"));
  const command = (words: string) => `${kleidi} ${words} --config ${fixture.config}`;
  // a key is promoted some seconds after it was staged
  const promote = ["key promote kek-2", "reload"]
    .map((words) => `until ${command(words)}; do sleep 0.5; done`)
    .join("; ");
  await conformance("kleidí", fixture.socket, "--rotate", promote);
}

const SHOWN = { pass: "ok", fail: "**fails**", warn: "todo", skip: "-" } as const;

test("the page has the result of each check", () => {
  const names = [...runs.keys()];
  const rows = (runs.get("base64")?.results ?? []).map(({ name }) => {
    const cells = names.map((plugin) => {
      const result = runs.get(plugin)?.results.find((each) => each.name === name)?.result;
      return result === undefined ? "?" : SHOWN[result];
    });
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  const expected = [`| check | ${names.join(" | ")} |`, "| --- | --- | --- | --- |", ...rows].join("\n");
  assert.ok(page.includes(`${expected}\n`), expected);
});

test("kleidí and localpeer pass, and base64 does not", () => {
  const codes = [...runs].map(([name, { status, ok }]) => [name, status, ok]);
  assert.deepEqual(codes, [
    ["base64", 1, false],
    ["localpeer", 0, true],
    ["kleidí", 0, true],
  ]);
});

describe("usage errors", () => {
  const run = (...args: string[]) =>
    new Promise<{ code: unknown; stderr: string }>((resolve) =>
      execFile(kleidi, ["conformance", ...args], (error, _, stderr) =>
        resolve({ code: error?.code, stderr }),
      ),
    );
  const plain = join(folder, "file");
  before(() => writeFileSync(plain, ""));
  for (const [what, args, said] of [
    ["no socket", [join(folder, "none.sock")], /^error: Cannot connect to .*none\.sock: .*\(ENOENT\); /],
    [
      "a file",
      [plain],
      /^error: Cannot connect to .*file: no process listens there \(ECONNREFUSED\); start the plugin, or correct the path$/m,
    ],
    ["a folder that is no URL", ["tcp://127.0.0.1:1"], /^error: Cannot connect to tcp:/],
    ["an option out of range", [plain, "--seeds", "0"], /Expected a whole number from 1 to 10000/],
  ] as const) {
    test(what, async () => {
      const { code, stderr } = await run(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, said);
    });
  }
  test("a command that fails ends the run", async () => {
    const { code, stderr } = await run(
      `unix://${fixture.socket}`,
      "--rotate",
      "echo no >&2; false",
      "--variants",
      "4",
      "--seeds",
      "1",
    );
    assert.deepEqual([code, stderr], [2, 'error: Cannot run the command "echo no >&2; false": no\n']);
  });
});
