/**
 * The wall against machine code in a provider's process. A stand-in runs behind it: the same executable, without Node's permission model
 * and with direct system calls, so that only the wall restricts it.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openWall } from "../../host/sandbox/wall/choose.ts";
import { landlock } from "../../host/sandbox/wall/landlock.ts";
import { NODE_RESERVES } from "../../host/sandbox/wall/limits.ts";
import { encodeFrame, Frame } from "../../host/sandbox/wire.mjs";
import { wallPrograms } from "../support/debian13.ts";
import { localModule, root } from "../support/fixture.ts";
import { startSandbox } from "../support/sandbox.ts";
import { nodePid } from "../support/wall.ts";
import { ATTEMPTS, FATAL, PRELUDE, programOf } from "./machine-code.ts";
import { UNPRIVILEGED, Walled } from "./walled.ts";

const WALLS = ["bubblewrap", "landlock"] as const;
const USERS = ["this user", "an unprivileged user"] as const;
const MEMORY = 256 << 20;
/** For the work of another process, on a busy machine. */
const PATIENCE_MS = 30_000;
const programs = wallPrograms();
const open = (wall: (typeof WALLS)[number]) =>
  openWall({ wall, ...(programs !== undefined && { programs }) }, MEMORY);

for (const user of USERS) {
  // Without root there is only one user, and it is unprivileged.
  if (user !== "this user" && process.getuid?.() !== 0) continue;
  const walled = new Walled(user);
  after(() => walled.close());
  const names = {
    SECRET: walled.secret,
    FOLDER: dirname(walled.secret),
    GUEST: join(walled.folder, "host/sandbox/guest"),
  };
  for (const wall of WALLS) {
    describe(`behind ${wall}, of a host that runs as ${user}, machine code cannot`, () => {
      const sources = [programOf(ATTEMPTS, names), ...FATAL.map((each) => programOf([each], names))];
      const { uid, ran } = walled.run({ wall, sources });
      const [first, ...others] = ran;
      const outcomes = JSON.parse(first?.said || "{}") as Record<string, string>;
      assert.equal(uid, user === "this user" ? process.getuid?.() : UNPRIVILEGED);
      for (const { what, code } of ATTEMPTS) {
        test(what, () => assert.equal(outcomes[what], typeof code === "string" ? code : code[wall]));
      }
      for (const [i, { what }] of FATAL.entries()) {
        test(`${what}, and is killed for the attempt`, () => {
          assert.deepEqual([others[i]?.how, others[i]?.said], ["SIGSYS", ""]);
        });
      }
    });

    test(`behind ${wall}, of a host that runs as ${user}, the process has no descriptors that the host inherited`, () => {
      const source =
        "require('fs').writeSync(3, JSON.stringify(Array.from({ length: 1024 }, (_, fd) => { try { return require('fs').fstatSync(fd).ino; } catch { return -1; } })))";
      const { ran } = walled.run({ wall, sources: [source] }, [9, 16, 40, 251]);
      const inodes: number[] = JSON.parse(ran[0]?.said ?? "[]");
      assert.equal(inodes.length, 1024);
      assert.ok(!inodes.includes(statSync(walled.secret).ino));
      // Node's own descriptors have low numbers: none is left beyond them.
      assert.deepEqual(
        inodes.slice(64).filter((inode) => inode !== -1),
        [],
      );
    });
  }

  test(`without a wall, of a host that runs as ${user}, machine code can do everything that the walls are tested with`, () => {
    const tries = [
      "read a key file",
      "write to a key file",
      "signal the host",
      "make a TCP socket",
      "make a Unix socket",
      "make a pair of sockets",
      "watch files",
      "make a file in memory",
      "get signals as data",
    ];
    const chosen = ATTEMPTS.filter(({ what }) => tries.includes(what));
    const { ran } = walled.run({ wall: "none", sources: [programOf(chosen, names)] });
    const outcomes = JSON.parse(ran[0]?.said ?? "{}");
    assert.deepEqual(outcomes, Object.fromEntries(tries.map((what) => [what, "reached"])));
  });

  test(`without a wall, of a host that runs as ${user}, the process has no descriptors that the host inherited`, () => {
    const source =
      "require('fs').writeSync(3, JSON.stringify([9, 16, 40, 251].map((fd) => { try { return require('fs').fstatSync(fd).ino; } catch { return -1; } })))";
    const { ran } = walled.run({ wall: "none", sources: [source] }, [9, 16, 40, 251]);
    assert.ok(!JSON.parse(ran[0]?.said ?? "[]").includes(statSync(walled.secret).ino));
  });
}

for (const name of WALLS) {
  const wall = await open(name);

  test(`behind ${name} a process dumps no core, writes no file, and is killed first when memory runs out`, async () => {
    const started = wall.start(["--eval", "process.stderr.write('up'); setInterval(() => {}, 1000)"], MEMORY);
    try {
      await new Promise((resolve) => started.stderr?.once("data", resolve));
      const pid = nodePid(started.pid ?? 0);
      assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"), "1000\n");
      const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
      const data = NODE_RESERVES + MEMORY;
      assert.match(limits, /^Max core file size +0 +0 /m);
      assert.match(limits, /^Max file size +0 +0 /m);
      assert.match(limits, new RegExp(`^Max data size +${data} +${data} `, "m"));
      assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^NoNewPrivs:\t1\nSeccomp:\t2$/m);
      assert.match(
        readFileSync(`/proc/${pid}/status`, "utf8"),
        /^CapPrm:\t0+\nCapEff:\t0+\nCapBnd:\t[0-9a-f]+\nCapAmb:\t0+$/m,
      );
    } finally {
      await killed(started);
    }
  });

  test(`behind ${name} a process has no more memory than its limit`, async () => {
    const fill = `
      const memories = [];
      try {
        for (;;) {
          const memory = new WebAssembly.Memory({ initial: 256, maximum: 256 });
          new Uint8Array(memory.buffer).fill(1);
          memories.push(memory);
        }
      } catch {}
      require("fs").writeSync(3, String(memories.length * 16));`;
    const filled = async (bytes: number) => {
      const started = wall.start(["--no-warnings", "--disable-wasm-trap-handler", "--eval", fill], bytes);
      let said = "";
      (started.stdio[3] as NodeJS.ReadableStream).on("data", (chunk) => {
        said += String(chunk);
      });
      await new Promise((resolve) => started.once("close", resolve));
      return Number(said);
    };
    const [small, large] = [await filled(128 << 20), await filled(512 << 20)];
    // Memory that Node reserves without use counts too: up to 640 MiB less the measured 562.
    assert.ok(small >= 96 && small <= 128 + 96, `${small} MiB of 128`);
    assert.ok(large >= 480 && large <= 512 + 96, `${large} MiB of 512`);
  });

  test(`behind ${name} a process that loops ends with its host`, async () => {
    const program = `
      import { openWall } from ${JSON.stringify(join(root, "host/sandbox/wall/choose.ts"))};
      const wall = await openWall(${JSON.stringify({ wall: name, programs })}, ${MEMORY});
      const started = wall.start(["--eval", "process.stderr.write('up'); for (;;);"], ${MEMORY});
      started.stderr.once("data", () => console.log(started.pid));`;
    const host = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = nodePid(Number(await new Promise((resolve) => host.stdout.once("data", resolve))));
    assert.ok(existsSync(`/proc/${pid}`));
    await killed(host);
    await until(() => !isAlive(pid));
  });

  test(`behind ${name} a process whose first thread becomes another program ends when it is killed`, async () => {
    // The thread that calls execve becomes the process and has no parent-death signal; killing it must not depend on that signal.
    const thread = `${PRELUDE}
      const words = [process.execPath, ...${JSON.stringify(name === "landlock" ? landlock.nodeArguments : [])}, "--eval", "require('fs').writeSync(2, 'up'); setInterval(() => {}, 1000)"];
      const argv = new BigUint64Array([...words.map((word) => BigInt(text(word))), 0n]);
      for (const fd of [0, 1, 2, 3]) sys(NR.fcntl, fd, 2, 0);
      sys(NR.execve, text(process.execPath), pointer(Buffer.from(argv.buffer)), 0);`;
    const source = `new (require("node:worker_threads").Worker)(${JSON.stringify(thread)}, { eval: true });`;
    // A thread with JavaScript reserves as much memory as Node itself.
    const started = wall.start(["--no-warnings", "--experimental-ffi", "--eval", source], 8 * MEMORY);
    const said = await new Promise((resolve) =>
      started.stderr?.once("data", (chunk) => resolve(String(chunk))),
    );
    assert.equal(said, "up", "the thread has become the process");
    const pid = nodePid(started.pid ?? 0);
    await killed(started);
    await until(() => !isAlive(pid));
  });

  test(`behind ${name} a provider whose process the filter kills counts as taken over`, async () => {
    const loaded = Buffer.concat([encodeFrame(Frame.STARTED, 0), encodeFrame(Frame.LOADED, 0)]).toString(
      "base64",
    );
    const tries = `new Promise(() => { fs.writeSync(3, Buffer.from("${loaded}", "base64")); setTimeout(() => sys(NR.ptrace, 16, 1, 0, 0), 20); })`;
    const sandbox = await startSandbox("local", localModule, {
      keys: ["kek"],
      wall: {
        start: (_, bytes) =>
          wall.start(
            ["--no-warnings", "--experimental-ffi", "--eval", programOf([{ what: "x", tries }], {})],
            bytes,
          ),
        endOf: wall.endOf,
      },
    });
    try {
      await until(() => sandbox.supervisor.state().state === "quarantined");
      const reason = "its process was taken over: it made a system call that Node never makes";
      assert.deepEqual(sandbox.supervisor.state().quarantine, { reason });
    } finally {
      await sandbox.stop();
    }
  });
}

async function killed(started: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => started.once("exit", resolve));
  started.kill("SIGKILL");
  await ended;
}

/** A zombie, which waits to be reaped, no longer runs. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !condition(); await sleep(10)) assert.ok(Date.now() < end);
}
