import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assertSentences } from "../../../test/support/thrown.ts";
import { MAX_SIGNATURE_FILE, readSignatures } from "./files.ts";

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

test("readSignatures returns the text of each file in order, and the fault of a missing one", (t) => {
  const one = put("1.minisig", "one\n");
  const two = put("2.minisig", "\ufeffключ\r\n");
  const missing = join(folder, "none.minisig");
  const [second, absent, first] = readSignatures([two, missing, one]);
  assert.deepEqual(second, { path: two, text: "\ufeffключ\r\n" });
  assert.deepEqual(first, { path: one, text: "one\n" });
  assert.ok(absent !== undefined && "fault" in absent);
  assert.equal(absent.path, missing);
  assertSentences(t, { fault: absent.fault });
});

test("readSignatures follows a symbolic link to a file, as in a mounted ConfigMap", () => {
  const target = put("target", "text\n");
  const path = join(folder, "link");
  symlinkSync(target, path);
  assert.deepEqual(readSignatures([path]), [{ path, text: "text\n" }]);
});

test("readSignatures reads a file of 8 KiB, and no larger one", () => {
  const path = put("large", "a".repeat(MAX_SIGNATURE_FILE));
  assert.equal("text" in (readSignatures([path])[0] ?? {}), true);
  assert.match(
    faultOf(put("larger", "a".repeat(MAX_SIGNATURE_FILE + 1))),
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

test("readSignatures refuses a file that is not valid UTF-8", () => {
  assert.match(faultOf(put("latin1", Buffer.from([0x75, 0xe9, 0x0a]))), /^is not valid UTF-8; /);
});
