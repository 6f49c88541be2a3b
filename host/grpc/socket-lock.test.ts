import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { lockOf, lockSocket } from "./socket-lock.ts";

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socket = join(folder, "kms.sock");
  return { socket, lock: lockOf(socket) };
}

function take(t: TestContext, socket: string): () => void {
  const unlock = lockSocket(socket, "Cannot listen");
  t.after(unlock);
  return unlock;
}

const refused = (said: string) => ({ code: "socket-refused", message: `Cannot listen: ${said}` });

test("only one process holds a lock until its release", (t) => {
  const { socket } = place(t);
  const unlock = take(t, socket);
  assert.throws(() => take(t, socket), refused("a process is serving there already"));
  unlock();
  take(t, socket);
});

test("a second release does not release a lock that was taken again", (t) => {
  const { socket } = place(t);
  const first = take(t, socket);
  first();
  take(t, socket);
  first();
  assert.throws(() => take(t, socket), refused("a process is serving there already"));
});

test("others can neither read nor write the lock with any umask, and the umask is unchanged", (t) => {
  const { socket, lock } = place(t);
  const before = process.umask(0);
  t.after(() => process.umask(before));
  take(t, socket);
  assert.equal(statSync(lock).mode & 0o777, 0o600);
  assert.equal(process.umask(), 0);
});

for (const mode of [0o620, 0o640, 0o604, 0o602]) {
  const text = mode.toString(8).padStart(4, "0");
  test(`a lock with mode ${text} is refused: others could hold it`, (t) => {
    const { socket, lock } = place(t);
    writeFileSync(lock, "");
    chmodSync(lock, mode);
    const said = `its lock ${lock} has the mode ${text}, others could hold it; remove it while no kleidi runs`;
    assert.throws(() => take(t, socket), refused(said));
  });
}

const IN_THE_WAY: [string, (lock: string) => void][] = [
  ["a folder", (lock) => mkdirSync(lock)],
  ["a symbolic link to a file", (lock) => symlinkSync("/etc/hostname", lock)],
  ["a dangling symbolic link", (lock) => symlinkSync("nothing", lock)],
];
for (const [what, put] of IN_THE_WAY) {
  test(`${what} in place of the lock is refused`, (t) => {
    const { socket, lock } = place(t);
    put(lock);
    assert.throws(() => take(t, socket), refused(`its lock ${lock} is not a regular file; remove it`));
  });
}

test("a file with content in place of the lock is refused and left unchanged", (t) => {
  const { socket, lock } = place(t);
  writeFileSync(lock, "precious".repeat(1000), { mode: 0o600 });
  assert.throws(
    () => take(t, socket),
    refused(
      `its lock ${lock} is not empty, so it is not a lock; find out who wrote it, then remove it while no kleidi runs`,
    ),
  );
  assert.equal(statSync(lock).size, 8000);
});

test("the lock of another user is refused", (t) => {
  if (process.getuid?.() !== 0) {
    t.diagnostic("not root: cannot create a file of another user, so nothing was checked");
    return;
  }
  const { socket, lock } = place(t);
  writeFileSync(lock, "", { mode: 0o600 });
  chownSync(lock, 65534, 65534);
  const said = `its lock ${lock} belongs to the uid 65534, this process has the uid 0; remove it while no kleidi runs`;
  assert.throws(() => take(t, socket), refused(said));
});
