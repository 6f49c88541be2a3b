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
import { failureOf } from "../../test/support/failures.ts";
import { type ListenOptions, listen } from "./listener.ts";
import { lockOf } from "./socket-lock.ts";

const root = process.getuid?.() === 0;

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, socket: join(folder, "kms.sock") };
}

/** Listens, greets each connection, and closes at the end of the test. */
async function start(t: TestContext, socket: string, options: Partial<ListenOptions> = {}) {
  const listener = await listen({ socket, mode: 0o600, ...options }, (connection) => {
    // A host that only checks if the socket is served disconnects before the greeting.
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

/** Leaves a socket behind without a listener. */
async function leaveDead(socket: string): Promise<void> {
  const code = "require('net').createServer().listen(process.argv[1], () => console.log('up'))";
  const child = spawn(process.execPath, ["-e", code, socket], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await exited;
  assert.ok(lstatSync(socket).isSocket());
}

/** Asserts that listening is refused; the message is in the snapshot, with the folder replaced. */
async function assertRefused(t: TestContext, listening: Promise<unknown>, folder: string): Promise<void> {
  const { code, message } = await failureOf(() => listening);
  assert.equal(code, "socket-refused");
  t.assert.snapshot(message.replaceAll(folder, "FOLDER").replace(/x{20,}/, "XX"));
}

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

test("the folder contains only the socket and its empty lock", async (t) => {
  const { folder, socket } = place(t);
  await start(t, socket);
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock", "kms.sock"]);
  assert.equal(statSync(lockOf(socket)).size, 0);
});

test("the umask of the process is unchanged", async (t) => {
  const { socket } = place(t);
  const before = process.umask();
  await start(t, socket);
  assert.equal(process.umask(), before);
});

test("the socket gets its mode before its name, and is inaccessible to others until then", async (t) => {
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
  const { folder, socket } = place(t);
  await start(t, socket);
  await assertRefused(t, start(t, socket), folder);
});

test("a live socket still serves after a second listener was refused", async (t) => {
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

test("the staged socket of a killed process with the same id is replaced", async (t) => {
  const { folder, socket } = place(t);
  await leaveDead(join(folder, `.${process.pid}`));
  await start(t, socket);
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock", "kms.sock"]);
});

const IN_THE_WAY: [string, (socket: string, folder: string) => void][] = [
  ["a regular file", (socket) => writeFileSync(socket, "precious")],
  ["a folder", (socket) => mkdirSync(socket)],
  [
    "a symbolic link to a file",
    (socket, folder) => {
      writeFileSync(join(folder, "file"), "precious");
      symlinkSync("file", socket);
    },
  ],
  ["a dangling symbolic link", (socket) => symlinkSync("nothing", socket)],
];
for (const [what, put] of IN_THE_WAY) {
  test(`${what} in place of the socket is refused and left unchanged`, async (t) => {
    const { folder, socket } = place(t);
    put(socket, folder);
    const before = lstatSync(socket).ino;
    await assertRefused(t, start(t, socket), folder);
    assert.equal(lstatSync(socket).ino, before);
  });
}

test("a symbolic link to a dead socket is refused", async (t) => {
  const { folder, socket } = place(t);
  await leaveDead(join(folder, "dead"));
  symlinkSync("dead", socket);
  await assertRefused(t, start(t, socket), folder);
});

test("a dead socket of another user is refused", async (t) => {
  if (!root) {
    t.diagnostic("not root: cannot create a socket of another user, so nothing was checked");
    return;
  }
  const { folder, socket } = place(t);
  await leaveDead(socket);
  chownSync(socket, 65534, 65534);
  await assertRefused(t, start(t, socket), folder);
});

test("a missing folder is refused with the command that creates it", async (t) => {
  const folder = join(place(t).folder, "missing");
  const socket = join(folder, "kms.sock");
  await assertRefused(t, start(t, socket), folder);
  assert.equal(existsSync(folder), false);
});

test("a file in place of the folder is refused", async (t) => {
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

test("an unknown group name is refused", async (t) => {
  const { folder, socket } = place(t);
  await assertRefused(t, start(t, socket, { group: "no-such-group" }), folder);
  assert.deepEqual(readdirSync(folder), []);
});

test("an unknown group leaves a dead socket unchanged", async (t) => {
  const { folder, socket } = place(t);
  await leaveDead(socket);
  await start(t, socket, { group: "no-such-group" }).catch(() => {});
  assert.deepEqual(readdirSync(folder), ["kms.sock"]);
});

test("an unknown group leaves the umask of the process unchanged", async (t) => {
  const before = process.umask();
  await start(t, place(t).socket, { group: "no-such-group" }).catch(() => {});
  assert.equal(process.umask(), before);
});

test("close removes the socket", async (t) => {
  const { folder, socket } = place(t);
  (await start(t, socket)).close();
  assert.deepEqual(readdirSync(folder), [".kms.sock.lock"]);
});

test("a second close has no effect", async (t) => {
  const { socket } = place(t);
  const listener = await start(t, socket);
  listener.close();
  assert.equal(listener.close(), undefined);
});

test("close does not remove a socket of another process", async (t) => {
  const { socket } = place(t);
  const listener = await start(t, socket);
  unlinkSync(socket);
  const other = createServer((connection) => connection.end("other"));
  await once(other.listen(socket), "listening");
  t.after(() => other.close());
  listener.close();
  assert.equal(await greeting(socket), "other");
});

test("close does not remove a file that replaced the socket", async (t) => {
  const { socket } = place(t);
  const listener = await start(t, socket);
  unlinkSync(socket);
  writeFileSync(socket, "precious");
  listener.close();
  assert.ok(lstatSync(socket).isFile());
});

test("the path can be reused after close", async (t) => {
  const { socket } = place(t);
  (await start(t, socket)).close();
  await start(t, socket);
  assert.equal(await greeting(socket), "hello");
});

test("a path over 107 bytes is refused: no client could connect to it", async (t) => {
  const { folder } = place(t);
  // Longer than the 107 bytes of a Unix socket's address; the staged name alone would be short enough.
  const socket = join(folder, "x".repeat(107 - folder.length));
  await assertRefused(t, start(t, socket), folder);
});
