import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FileFault, readRegular, withRegular } from "./files.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-files-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

function put(name: string, content: string): string {
  writeFileSync(at(name), content);
  return at(name);
}

function sparse(name: string, size: number): string {
  const file = openSync(at(name), "w");
  ftruncateSync(file, size);
  closeSync(file);
  return at(name);
}

function pipe(name: string): string {
  assert.equal(spawnSync("mkfifo", [at(name)]).status, 0);
  return at(name);
}

function link(name: string, target: string): string {
  symlinkSync(target, at(name));
  return at(name);
}

/** Kind and text of why a file is not read. */
function faultOf(path: string, followLinks = true): readonly [string, string] {
  const fault = readRegular(path, 100, { followLinks });
  assert.ok(fault instanceof FileFault, `${path} was read`);
  return [fault.kind, fault.text];
}

test("readRegular gives a file's bytes up to the limit, through links too", () => {
  const full = put("full", "x".repeat(100));
  for (const path of [full, link("to-full", full), link("to-link", at("to-full"))])
    assert.deepEqual(readRegular(path, 100), Buffer.from("x".repeat(100)));
  assert.deepEqual(readRegular(put("empty", ""), 100), Buffer.alloc(0));
});

test("readRegular gives all of a file whose status says that it is empty", () => {
  const status = readRegular("/proc/self/status", 65_536);
  assert.ok(Buffer.isBuffer(status) && status.toString().endsWith("\n"));
  assert.equal(faultOf("/proc/self/status")[0], "large");
});

test("readRegular refuses a pipe, a device, a socket and a folder without opening them", async (t) => {
  const server = createServer().listen(at("socket"));
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const REGULAR = "give the path of a regular file";
  assert.deepEqual(faultOf(pipe("pipe")), ["special", `is a named pipe; ${REGULAR}`]);
  assert.deepEqual(faultOf(link("to-pipe", at("pipe"))), ["special", `is a named pipe; ${REGULAR}`]);
  assert.deepEqual(faultOf("/dev/zero"), ["special", `is a device; ${REGULAR}`]);
  assert.deepEqual(faultOf(at("socket")), ["special", `is a socket; ${REGULAR}`]);
  assert.deepEqual(faultOf(folder), ["folder", "is a folder; give the path of the file in it"]);
});

test("readRegular does not read a file over the limit", () => {
  const LARGE = "give the path of the file that is meant";
  assert.deepEqual(faultOf(put("101", "x".repeat(101))), [
    "large",
    `is 101 bytes, at most 100 are allowed; ${LARGE}`,
  ]);
  // More than Node would read, or this machine has memory for.
  const before = process.memoryUsage().rss;
  const size = 1_500_000_000_000;
  assert.deepEqual(faultOf(sparse("sparse", size)), [
    "large",
    `is ${size} bytes, at most 100 are allowed; ${LARGE}`,
  ]);
  assert.ok(process.memoryUsage().rss - before < 64 << 20);
});

test("readRegular names what is not there, a link to nothing, a loop, and a link where none is followed", () => {
  const MISSING = "put the file there, or correct the path";
  assert.deepEqual(faultOf(at("none")), ["missing", `cannot be read (ENOENT); ${MISSING}`]);
  assert.deepEqual(faultOf(link("dangling", at("none"))), [
    "missing",
    "cannot be read (ENOENT): it is a link to nothing; put the file there that it names, or correct the path",
  ]);
  link("loop", at("loop"));
  assert.deepEqual(faultOf(at("loop")), [
    "system",
    "cannot be read (ELOOP); look at the path and at the disk that it is on",
  ]);
  const [kind, text] = faultOf(at("to-full"), false);
  assert.deepEqual([kind, text], ["link", "is a link, which is not followed here; name the file itself"]);
  mkdirSync(at("sub"));
  assert.equal(faultOf(join(put("file", ""), "deeper"))[0], "system");
});

test("withRegular closes the file, whatever is done with it", () => {
  const open = () => readdirSync("/proc/self/fd").length;
  const path = put("open", "x");
  const before = open();
  assert.equal(
    withRegular(path, {}, () => "done"),
    "done",
  );
  assert.throws(
    () =>
      withRegular(path, {}, () => {
        throw new TypeError("not the system's");
      }),
    { name: "TypeError", message: "not the system's" },
  );
  assert.equal(open(), before);
});
