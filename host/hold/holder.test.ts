/** The holder with a shell in the host's place. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

const HOLDER = join(import.meta.dirname, "holder.mjs");

let folder: string;
let holder: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kleidi-hold-"));
  writeFileSync(join(folder, "kms.sock"), "");
});
afterEach(async () => {
  if (holder?.exitCode === null && holder.signalCode === null) {
    const exited = once(holder, "exit");
    holder.kill("SIGKILL");
    await exited;
  }
  rmSync(folder, { recursive: true });
});

/** Runs the holder with a shell that runs this script in the place of the host. @returns its log so far, in a function */
function hold(script: string): () => string {
  const args = [HOLDER, join(folder, "kms.sock"), "CONFIG", "/bin/sh", "-c", script, "sh"];
  const started = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], cwd: folder });
  let log = "";
  for (const stream of [started.stdout, started.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      started.emit("output");
    });
  holder = started;
  return () => log;
}

async function until(log: () => string, text: string): Promise<void> {
  while (!log().includes(text)) await once(holder as ChildProcess, "output");
}

async function ended(): Promise<number | null> {
  const [code] = await once(holder as ChildProcess, "exit");
  return code;
}

function socketExists(): boolean {
  return existsSync(join(folder, "kms.sock"));
}

test("the host gets its command, the socket's path and the holder's id", async () => {
  const log = hold(
    'echo "$1 $2 $3 $LISTEN_FDS $KLEIDI_SOCKET $([ $KLEIDI_HOLDER = $PPID ] && echo ours)"; exit 2',
  );
  assert.equal(await ended(), 2);
  assert.match(log(), new RegExp(`^serve --config CONFIG 1 ${folder}/kms.sock ours\n`));
});

test("a usage error ends the holder with its code, and removes the socket", async () => {
  hold("exit 2");
  assert.equal(await ended(), 2);
  assert.equal(socketExists(), false);
});

test("another end starts the host again: at once, then after pauses that double up to half a second", async () => {
  const log = hold("exit 1");
  await until(log, "in 500 ms");
  const pauses = [...log().matchAll(/in (\d+) ms/g)].map(([, ms]) => Number(ms));
  assert.deepEqual(pauses, [0, 100, 200, 400, 500]);
  const [line = ""] = log().split("\n");
  const { level, service, msg } = JSON.parse(line);
  assert.deepEqual([level, service], [50, "kleidi"]);
  assert.equal(msg, "kleidi serve ended (1); it is started again in 0 ms");
});

test("success without being asked to stop starts it again, too, and so does a signal", async () => {
  const log = hold("[ -e second ] && kill -9 $$; : >second; exit 0");
  await until(log, "ended (SIGKILL)");
  assert.match(log(), /ended \(0\)/);
});

test("a host that cannot be started is tried again", async () => {
  const log = hold("");
  holder?.kill("SIGKILL");
  const args = [HOLDER, join(folder, "kms.sock"), "CONFIG", join(folder, "none")];
  holder = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = log();
  holder.stderr?.setEncoding("utf8").on("data", (more: string) => {
    text += more;
    holder?.emit("output");
  });
  await until(() => text, "in 200 ms");
  assert.match(text, /ENOENT/);
});

test("SIGTERM goes to the host, and the holder ends with its code", async () => {
  const log = hold("trap 'kill $!; exit 7' TERM; echo ready; sleep 100 & wait");
  await until(log, "ready");
  holder?.kill("SIGTERM");
  assert.equal(await ended(), 7);
  assert.equal(socketExists(), false);
});

test("SIGTERM during a pause ends the holder at once", async () => {
  const log = hold("exit 1");
  await until(log, "in 400 ms");
  holder?.kill("SIGTERM");
  assert.equal(await ended(), 0);
  assert.equal(socketExists(), false);
});

test("SIGHUP and SIGUSR2 go to the host", async () => {
  const log = hold(
    "trap 'echo got HUP' HUP; trap 'echo got USR2; kill $!; exit 2' USR2; echo ready; sleep 100 & while :; do wait; done",
  );
  await until(log, "ready");
  holder?.kill("SIGHUP");
  await until(log, "got HUP");
  holder?.kill("SIGUSR2");
  assert.equal(await ended(), 2);
});

test("a socket that was replaced is not removed, and makes the holder begin anew", async () => {
  // The shell is also the program that begins anew.
  const log = hold(
    'echo "$1"; if [ "$1" = hold ]; then exit 5; fi; mv kms.sock former; echo another >kms.sock; exit 1',
  );
  assert.equal(await ended(), 5);
  assert.match(log(), /^serve\n.*\nhold\n$/s);
  assert.equal(readFileSync(join(folder, "kms.sock"), "utf8"), "another\n");
});

const AS_ROOT = { skip: process.getuid?.() === 0 ? false : "only root makes a PID namespace" };

test(
  "as the first process of a container it ends when too many processes of former hosts remain",
  AS_ROOT,
  async () => {
    const orphans = "i=0; while [ $i -lt 200 ]; do (sleep 100 &); i=$((i + 1)); done; exit 1";
    const args = [HOLDER, join(folder, "kms.sock"), "CONFIG", "/bin/sh", "-c", orphans, "sh"];
    const namespace = ["--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", process.execPath];
    holder = spawn("unshare", [...namespace, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    holder.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
    assert.equal(await ended(), 1);
    assert.match(log, /over 500 processes of former hosts remain/);
    assert.equal(log.match(/started again/g)?.length, 2);
    assert.equal(socketExists(), false);
  },
);

test("its modules are Node's own: a second process has to be small", () => {
  const imports = [...readFileSync(HOLDER, "utf8").matchAll(/from "([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(imports, ["node:child_process", "node:fs"]);
});
