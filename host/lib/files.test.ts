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
import { after, type TestContext, test } from "node:test";
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

function faultOf(path: string, followLinks = true): FileFault {
  const fault = readRegular(path, 100, { followLinks });
  assert.ok(fault instanceof FileFault, `${path} was read`);
  return fault;
}

/** Asserts the kind of each fault; the texts are in the snapshot. */
function assertFaults(t: TestContext, ...faults: readonly [FileFault, FileFault["kind"]][]): void {
  for (const [{ kind, text }, expected] of faults) assert.equal(kind, expected, text);
  t.assert.snapshot(faults.map(([{ text }]) => text.replaceAll(folder, "FOLDER")));
}

test("readRegular returns the bytes of a file up to the limit, also through links", () => {
  const full = put("full", "x".repeat(100));
  for (const path of [full, link("to-full", full), link("to-link", at("to-full"))])
    assert.deepEqual(readRegular(path, 100), Buffer.from("x".repeat(100)));
  assert.deepEqual(readRegular(put("empty", ""), 100), Buffer.alloc(0));
});

test("readRegular reads the complete file if its status reports size 0", () => {
  const status = readRegular("/proc/self/status", 65_536);
  assert.ok(Buffer.isBuffer(status) && status.toString().endsWith("\n"));
  assert.equal(faultOf("/proc/self/status").kind, "large");
});

test("readRegular refuses a pipe, a device, a socket and a folder without opening them", async (t) => {
  const server = createServer().listen(at("socket"));
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  assertFaults(
    t,
    [faultOf(pipe("pipe")), "special"],
    [faultOf(link("to-pipe", at("pipe"))), "special"],
    [faultOf("/dev/zero"), "special"],
    [faultOf(at("socket")), "special"],
    [faultOf(folder), "folder"],
  );
});

test("readRegular does not read a file over the limit", (t) => {
  const small = faultOf(put("101", "x".repeat(101)));
  // More than Node would read, and more than the memory of this machine.
  const before = process.memoryUsage().rss;
  const huge = faultOf(sparse("sparse", 1_500_000_000_000));
  assert.ok(process.memoryUsage().rss - before < 64 << 20);
  assertFaults(t, [small, "large"], [huge, "large"]);
});

test("readRegular names a missing file, a dangling link, a loop, and a link that may not be followed", (t) => {
  assertFaults(
    t,
    [faultOf(at("none")), "missing"],
    [faultOf(link("dangling", at("none"))), "missing"],
    [faultOf(link("loop", at("loop"))), "system"],
    [faultOf(at("to-full"), false), "link"],
  );
  mkdirSync(at("sub"));
  assert.equal(faultOf(join(put("file", ""), "deeper")).kind, "system");
});

test("withRegular closes the file, also when its caller throws", () => {
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
