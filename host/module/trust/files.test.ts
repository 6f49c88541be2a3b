import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { LARGEST_SIGNATURE, readSignatures } from "./files.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-signatures-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function faultOf(path: string): string {
  const [file] = readSignatures([path]);
  assert.ok(file !== undefined && "fault" in file, JSON.stringify(file));
  assert.equal(file.path, path);
  return file.fault;
}

test("readSignatures gives the text of each file, in order, and the fault of one that is not there", () => {
  const one = put("1.minisig", "one\n");
  const two = put("2.minisig", "\ufeffключ\r\n");
  const missing = join(folder, "none.minisig");
  assert.deepEqual(readSignatures([two, missing, one]), [
    { path: two, text: "\ufeffключ\r\n" },
    {
      path: missing,
      fault:
        'cannot be read (ENOENT); get the signature from the publisher, or make it with "minisign -S", and put it there',
    },
    { path: one, text: "one\n" },
  ]);
});

test("readSignatures follows a symbolic link to a file: a mounted ConfigMap is made of them", () => {
  const target = put("target", "text\n");
  const path = join(folder, "link");
  symlinkSync(target, path);
  assert.deepEqual(readSignatures([path]), [{ path, text: "text\n" }]);
});

test("readSignatures reads a file of 8 KiB, and no larger one", () => {
  const path = put("large", "a".repeat(LARGEST_SIGNATURE));
  assert.equal("text" in (readSignatures([path])[0] ?? {}), true);
  assert.match(
    faultOf(put("larger", "a".repeat(LARGEST_SIGNATURE + 1))),
    /^is 8193 bytes, at most 8192 are allowed; put the signature there$/,
  );
});

test("readSignatures refuses a folder, a device and a pipe without waiting", () => {
  const sub = join(folder, "sub");
  mkdirSync(sub);
  const pipe = join(folder, "pipe");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  for (const path of [sub, "/dev/zero", pipe])
    assert.match(faultOf(path), /^is a (folder|device|named pipe); put the signature there$/, path);
});

test("readSignatures refuses what is not UTF-8", () => {
  assert.match(faultOf(put("latin1", Buffer.from([0x75, 0xe9, 0x0a]))), /^is not UTF-8 text; /);
});
