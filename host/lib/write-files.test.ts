import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  createGroupReadable,
  createPrivate,
  isStagingOf,
  publish,
  removeLeftovers,
  replaceAs,
  replaceFile,
  statOf,
  writePrivate,
} from "./write-files.ts";

const STAGED = ".a.0123456789abcdef";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-write-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

for (const content of ["κλειδί\n", Uint8Array.of(0, 255), new Uint8Array(1 << 20)])
  test(`createPrivate creates a file of ${content.length} ${typeof content === "string" ? "characters" : "bytes"} for its owner only`, (t) => {
    const folder = folderOf(t);
    createPrivate(join(folder, "a"), content);
    assert.deepEqual(readFileSync(join(folder, "a")), Buffer.from(content as string));
    assert.equal(statSync(join(folder, "a")).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(folder), ["a"]);
  });

test("createPrivate replaces neither a file, a dangling link nor a folder, and leaves no staged file", (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "file"), "old");
  symlinkSync(join(folder, "nothing"), join(folder, "link"));
  mkdirSync(join(folder, "folder"));
  for (const name of ["file", "link", "folder"])
    assert.throws(() => createPrivate(join(folder, name), "new"), { code: "EEXIST" });
  assert.equal(readFileSync(join(folder, "file"), "utf8"), "old");
  assert.deepEqual(readdirSync(folder).sort(), ["file", "folder", "link"]);
});

test("createPrivate fails with the system's error if the folder does not exist", (t) => {
  assert.throws(() => createPrivate(join(folderOf(t), "missing", "a"), ""), { code: "ENOENT" });
});

test("replaceFile replaces a file, and a link instead of its target", (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "other"), "other");
  symlinkSync("other", join(folder, "a"));
  replaceFile(join(folder, "a"), "one");
  replaceFile(join(folder, "a"), "two");
  assert.equal(readFileSync(join(folder, "a"), "utf8"), "two");
  assert.equal(readFileSync(join(folder, "other"), "utf8"), "other");
  assert.equal(statSync(join(folder, "a")).mode & 0o777, 0o644 & ~process.umask());
  assert.deepEqual(readdirSync(folder).sort(), ["a", "other"]);
});

for (const [name, mode, expected] of [
  ["of another file", undefined, 0o604],
  ["that is given", 0o644, 0o644],
] as const)
  test(`replaceAs writes a file with the owner of another one and the mode ${name}, under any umask`, (t) => {
    const folder = folderOf(t);
    const like = join(folder, "like");
    writeFileSync(like, "");
    chmodSync(like, 0o604);
    // Only root can give a file away.
    const owner = process.getuid?.() === 0 ? 61_234 : (process.getuid?.() ?? 0);
    chownSync(like, owner, process.getgid?.() ?? 0);
    const before = process.umask(0o077);
    try {
      replaceAs(join(folder, "a"), "one", like, mode);
      replaceAs(join(folder, "a"), "two", like, mode);
    } finally {
      process.umask(before);
    }
    const status = statSync(join(folder, "a"));
    assert.deepEqual([status.uid, status.mode & 0o777], [owner, expected]);
    assert.equal(readFileSync(join(folder, "a"), "utf8"), "two");
    assert.deepEqual(readdirSync(folder).sort(), ["a", "like"]);
  });

test("replaceAs leaves the file and no staged one if the folder does not take it", (t) => {
  const folder = folderOf(t);
  mkdirSync(join(folder, "a"));
  assert.throws(() => replaceAs(join(folder, "a"), "", folder), { code: "EISDIR" });
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test("createGroupReadable creates a file of mode 0640 under any umask, and never replaces one", (t) => {
  const folder = folderOf(t);
  const before = process.umask(0o077);
  try {
    createGroupReadable(join(folder, "a"), "one");
  } finally {
    process.umask(before);
  }
  assert.throws(() => createGroupReadable(join(folder, "a"), "two"), { code: "EEXIST" });
  assert.equal(readFileSync(join(folder, "a"), "utf8"), "one");
  assert.equal(statSync(join(folder, "a")).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test("replaceFile leaves no staged file when it fails", (t) => {
  const folder = folderOf(t);
  mkdirSync(join(folder, "a"));
  assert.throws(() => replaceFile(join(folder, "a"), "text"), { code: "EISDIR" });
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test("writePrivate replaces the file of a killed process, and does not write through a link", (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "other"), "other");
  symlinkSync("other", join(folder, "a"));
  writePrivate(join(folder, "a"), "new");
  assert.equal(readFileSync(join(folder, "other"), "utf8"), "other");
  writeFileSync(join(folder, "left"), "much longer than the new one");
  chmodSync(join(folder, "left"), 0o644);
  writePrivate(join(folder, "left"), "new");
  assert.equal(readFileSync(join(folder, "left"), "utf8"), "new");
  assert.equal(statSync(join(folder, "left")).mode & 0o777, 0o600);
});

test("publish never replaces a file, and keeps the staged file if the name is taken", (t) => {
  const folder = folderOf(t);
  writePrivate(join(folder, STAGED), "one");
  publish(join(folder, STAGED), join(folder, "a"));
  assert.deepEqual(readdirSync(folder), ["a"]);
  writePrivate(join(folder, STAGED), "two");
  assert.throws(() => publish(join(folder, STAGED), join(folder, "a")), { code: "EEXIST" });
  assert.equal(readFileSync(join(folder, "a"), "utf8"), "one");
  assert.equal(readFileSync(join(folder, STAGED), "utf8"), "two");
});

test("isStagingOf accepts the staging names of its files, and no other name", () => {
  const isStaging = isStagingOf(["a", "b.state"]);
  assert.ok(isStaging(STAGED));
  assert.ok(isStaging(".b.state.0123456789abcdef"));
  for (const name of [
    "a",
    ".a",
    ".a.",
    `${STAGED}0`,
    ".a.0123456789ABCDEF",
    "a.0123456789abcdef",
    ".c.0123456789abcdef",
  ])
    assert.ok(!isStaging(name), name);
});

test("removeLeftovers removes files and links, and keeps folders and other files", (t) => {
  const folder = folderOf(t);
  for (const name of [STAGED, "a"]) writeFileSync(join(folder, name), "");
  symlinkSync("a", join(folder, ".a.aaaaaaaaaaaaaaaa"));
  mkdirSync(join(folder, ".a.bbbbbbbbbbbbbbbb"));
  removeLeftovers(folder, isStagingOf(["a"]));
  assert.deepEqual(readdirSync(folder).sort(), [".a.bbbbbbbbbbbbbbbb", "a"]);
  assert.equal(statOf(join(folder, STAGED)), undefined);
});
