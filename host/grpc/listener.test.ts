import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs, {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ListenOptions, listen } from "./listener.ts";
import { lockOf } from "./socket-lock.ts";

const root = process.getuid?.() === 0;

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, socket: join(folder, "kms.sock") };
}

/** Listens, greets who connects, and closes at the test's end. */
async function start(t: TestContext, socket: string, options: Partial<ListenOptions> = {}) {
  const listener = await listen({ socket, mode: 0o600, ...options }, (connection) => {
    // Whoever only looks whether somebody is there is gone again before the greeting.
    connection.on("error", () => {});
    connection.end("hello");
  });
  t.after(() => listener.close());
  return listener;
}

async function greeting(socket: string): Promise<string> {
  const connection = connect(socket);
  let text = "";
  for await (const chunk of connection) text += chunk;
  return text;
}

/** Leaves a socket behind that nobody listens on. */
async function leaveDead(socket: string): Promise<void> {
  const code = "require('net').createServer().listen(process.argv[1], () => console.log('up'))";
  const child = spawn(process.execPath, ["-e", code, socket], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await exited;
  assert.ok(lstatSync(socket).isSocket());
}

const refused = (socket: string, said: string) => ({
  code: "socket-refused",
  message: `Cannot listen on ${socket}: ${said}`,
});

test("a connection reaches the listener", async (t) => {
  const { socket } = place(t);
  await start(t, socket);
  assert.equal(await greeting(socket), "hello");
});

for (const mode of [0o600, 0o660, 0o666]) {
  test(`the socket has mode 0${mode.toString(8)}`, async (t) => {
    const { socket } = place(t);
    await start(t, socket, { mode });
    assert.equal(statSync(socket).mode & 0o7777, mode);
  });
}

test("nothing but the socket and its empty lock is left in the folder", async (t) => {
  const { folder, socket } = place(t);
  await start(t, socket);
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock", "kms.sock"]);
  assert.equal(statSync(lockOf(socket)).size, 0);
});

test("the process's umask is as before", async (t) => {
  const { socket } = place(t);
  const before = process.umask();
  await start(t, socket);
  assert.equal(process.umask(), before);
});

test("the socket is closed to others until it has its mode, and has its mode before it has its name", async (t) => {
  const { folder, socket } = place(t);
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  const seen: [string, string, boolean][] = [];
  for (const step of ["chmodSync", "renameSync"] as const) {
    const real = fs[step] as (...args: unknown[]) => void;
    t.mock.method(fs, step, (...args: unknown[]) => {
      const staged = readdirSync(folder).find((name) => /^\.\d+$/.test(name)) ?? "";
      seen.push([step, (statSync(join(folder, staged)).mode & 0o777).toString(8), existsSync(socket)]);
      real(...args);
    });
  }
  syncBuiltinESMExports();
  t.after(() => syncBuiltinESMExports());
  try {
    await start(t, socket, { mode: 0o660 });
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
  assert.deepEqual(seen, [
    ["chmodSync", "600", false],
    ["renameSync", "660", false],
  ]);
});

test("a live socket is refused", async (t) => {
  const { socket } = place(t);
  await start(t, socket);
  await assert.rejects(start(t, socket), refused(socket, "a process is serving there already"));
});

test("a live socket that was refused to another one serves on", async (t) => {
  const { socket } = place(t);
  await start(t, socket);
  await start(t, socket).catch(() => {});
  assert.equal(await greeting(socket), "hello");
});

test("a dead socket is taken over", async (t) => {
  const { socket } = place(t);
  await leaveDead(socket);
  await start(t, socket);
  assert.equal(await greeting(socket), "hello");
});

test("a dead socket stays in place until the new one replaces it", async (t) => {
  const { socket } = place(t);
  await leaveDead(socket);
  const dead = lstatSync(socket).ino;
  let atRename: number | undefined;
  const real = fs.renameSync;
  t.mock.method(fs, "renameSync", (...args: Parameters<typeof real>) => {
    atRename = lstatSync(socket).ino;
    real(...args);
  });
  syncBuiltinESMExports();
  try {
    await start(t, socket);
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
  assert.equal(atRename, dead);
});

test("what a killed process of the same id staged is replaced", async (t) => {
  const { folder, socket } = place(t);
  await leaveDead(join(folder, `.${process.pid}`));
  await start(t, socket);
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock", "kms.sock"]);
});

const IN_THE_WAY: [string, (socket: string, folder: string) => void, string][] = [
  ["a regular file", (socket) => writeFileSync(socket, "precious"), "a file that is no socket is there"],
  ["a folder", (socket) => mkdirSync(socket), "a folder is there"],
  [
    "a symbolic link to a file",
    (socket, folder) => {
      writeFileSync(join(folder, "file"), "precious");
      symlinkSync("file", socket);
    },
    "a symbolic link is there",
  ],
  ["a symbolic link to nothing", (socket) => symlinkSync("nothing", socket), "a symbolic link is there"],
];
for (const [what, put, said] of IN_THE_WAY) {
  test(`${what} in the socket's place is refused and left there`, async (t) => {
    const { folder, socket } = place(t);
    put(socket, folder);
    const before = lstatSync(socket).ino;
    await assert.rejects(start(t, socket), refused(socket, said));
    assert.equal(lstatSync(socket).ino, before);
  });
}

test("a symbolic link to a dead socket is refused", async (t) => {
  const { folder, socket } = place(t);
  await leaveDead(join(folder, "dead"));
  symlinkSync("dead", socket);
  await assert.rejects(start(t, socket), refused(socket, "a symbolic link is there"));
});

test("a dead socket of another user is refused", async (t) => {
  if (!root) {
    t.diagnostic("not root: nobody else's socket can be made, so nothing was checked");
    return;
  }
  const { socket } = place(t);
  await leaveDead(socket);
  chownSync(socket, 65534, 65534);
  await assert.rejects(
    start(t, socket),
    refused(socket, "the socket there belongs to uid 65534, this process is uid 0"),
  );
});

test("a folder that does not exist is refused with the line that makes it", async (t) => {
  const folder = join(place(t).folder, "missing");
  const socket = join(folder, "kms.sock");
  await assert.rejects(
    start(t, socket),
    refused(socket, `the folder ${folder} does not exist; make it: install -d -m 0750 ${folder}`),
  );
  assert.equal(existsSync(folder), false);
});

test("a folder that is a file is refused by the system", async (t) => {
  const { folder } = place(t);
  writeFileSync(join(folder, "file"), "");
  const socket = join(folder, "file", "kms.sock");
  await assert.rejects(start(t, socket), { name: "KleidiError", code: "socket-refused" });
});

test("a group given by number gets the socket", async (t) => {
  const { socket } = place(t);
  const group = root ? 54321 : (process.getgid?.() ?? 0);
  if (!root) t.diagnostic("not root: only this process's own group was checked");
  await start(t, socket, { mode: 0o660, group });
  assert.deepEqual([statSync(socket).gid, statSync(socket).mode & 0o777], [group, 0o660]);
});

test("the group does not change the owner", async (t) => {
  const { socket } = place(t);
  await start(t, socket, { group: process.getgid?.() ?? 0 });
  assert.equal(statSync(socket).uid, process.getuid?.());
});

test("a group given by name gets the socket", async (t) => {
  if (!root) {
    t.diagnostic("not root: nothing was checked");
    return;
  }
  const { socket } = place(t);
  await start(t, socket, { group: "root" });
  assert.equal(statSync(socket).gid, 0);
});

test("an unknown group's name is refused", async (t) => {
  const { folder, socket } = place(t);
  await assert.rejects(
    start(t, socket, { group: "no-such-group" }),
    refused(socket, 'the group "no-such-group" is not in /etc/group; write its number instead'),
  );
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock"]);
});

test("an unknown group leaves a dead socket as it was", async (t) => {
  const { folder, socket } = place(t);
  await leaveDead(socket);
  await start(t, socket, { group: "no-such-group" }).catch(() => {});
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock", "kms.sock"]);
});

test("an unknown group restores the process's umask", async (t) => {
  const before = process.umask();
  await start(t, place(t).socket, { group: "no-such-group" }).catch(() => {});
  assert.equal(process.umask(), before);
});

test("close removes the socket", async (t) => {
  const { folder, socket } = place(t);
  (await start(t, socket)).close();
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock"]);
});

test("close twice does no harm", async (t) => {
  const { socket } = place(t);
  const listener = await start(t, socket);
  listener.close();
  assert.equal(listener.close(), undefined);
});

test("close leaves another one's socket in its place", async (t) => {
  const { socket } = place(t);
  const listener = await start(t, socket);
  unlinkSync(socket);
  const other = createServer((connection) => connection.end("other"));
  await once(other.listen(socket), "listening");
  t.after(() => other.close());
  listener.close();
  assert.equal(await greeting(socket), "other");
});

test("close leaves a file in its place", async (t) => {
  const { socket } = place(t);
  const listener = await start(t, socket);
  unlinkSync(socket);
  writeFileSync(socket, "precious");
  listener.close();
  assert.ok(lstatSync(socket).isFile());
});

test("the path can be listened on again after close", async (t) => {
  const { socket } = place(t);
  (await start(t, socket)).close();
  await start(t, socket);
  assert.equal(await greeting(socket), "hello");
});

test("a path of over 107 bytes is refused: no client could connect to it", async (t) => {
  const { folder } = place(t);
  // Longer than the 107 bytes of a Unix socket's address; the staged name alone would be short enough.
  const socket = join(folder, "x".repeat(107 - folder.length));
  await assert.rejects(start(t, socket), refused(socket, "its path is 108 bytes, at most 107 are allowed"));
});
