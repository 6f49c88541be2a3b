import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { accessFault, explainPathError } from "./path-fault.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-path-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The explanation of the error with which the system refuses to read the path. */
function explained(path: string) {
  try {
    readFileSync(path);
  } catch (error) {
    return explainPathError(path, error, "read");
  }
  assert.fail(`${path} was read`);
}

/** An error of the system that cannot be caused everywhere. */
const thrown = (code: string) => Object.assign(new Error(code), { code, syscall: "open" });

test("a missing folder is named, and the command that creates it", () => {
  const { problem, remedy } = explained(join(folder, "a", "b")) ?? {};
  assert.equal(problem, `the folder ${join(folder, "a")} does not exist`);
  assert.equal(remedy, `create it: install -d -m 0750 ${join(folder, "a")}`);
});

test("a file in the place of a folder is named", () => {
  writeFileSync(join(folder, "file"), "");
  assert.equal(explained(join(folder, "file", "b", "c"))?.problem, `${join(folder, "file")} is not a folder`);
});

test("a link that leads to itself is named with its target", () => {
  symlinkSync("loop", join(folder, "loop"));
  assert.match(
    explained(join(folder, "loop"))?.problem ?? "",
    /loop is a link to loop that cannot be followed/,
  );
});

test("a denied path has its owner, its mode and the uid of this process", () => {
  mkdirSync(join(folder, "mine"), { mode: 0o700 });
  const { problem, remedy } = explainPathError(join(folder, "mine", "x"), thrown("EACCES"), "create") ?? {};
  const uid = process.getuid?.();
  assert.match(problem ?? "", new RegExp(`mine belongs to uid ${uid} and gid \\d+, mode 0700, .*uid ${uid}`));
  assert.match(remedy ?? "", uid === 0 ? /lsattr -d / : /chown /);
});

test("a full and a read-only file system are named by their mount point", () => {
  assert.match(
    explainPathError("/proc/x", thrown("ENOSPC"), "write")?.remedy ?? "",
    /df -h \/proc; df -i \/proc/,
  );
  assert.match(explainPathError("/proc/x", thrown("EROFS"), "write")?.remedy ?? "", /remount,rw \/proc/);
});

test("an error that is not about a path is not explained", () => {
  assert.equal(explainPathError("/x", new TypeError("a fault"), "read"), undefined);
  assert.equal(explainPathError("/x", thrown("EBADF"), "read"), undefined);
});

test("accessFault passes what is permitted and refuses a missing folder", () => {
  assert.equal(accessFault(join(folder, "new"), "create"), undefined);
  assert.match(
    accessFault(join(folder, "none", "new"), "create") ?? "",
    /\(ENOENT\): the folder .*none does not exist/,
  );
});
