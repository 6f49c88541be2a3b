import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertFailure } from "../../../test/support/failures.ts";
import { StateDirectory } from "./directory.ts";
import { formatRecord } from "./record.ts";

function setUp(t: Pick<TestContext, "after">): StateDirectory {
  const path = mkdtempSync(join(tmpdir(), "kleidi-state-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return new StateDirectory(path);
}

const VALUE = Uint8Array.of(0, 10, 32, 255);

for (const [what, value] of [
  ["one byte", Uint8Array.of(0)],
  ["line feeds", new Uint8Array(3).fill(10)],
  ["16,384 bytes", Uint8Array.from(randomBytes(16_384))],
] as const) {
  test(`get returns the value of put: ${what}`, (t) => {
    const records = setUp(t);
    assert.equal(records.put("kek", value), true);
    assert.deepEqual(records.get("kek"), value);
  });
}

test("put creates one file of mode 0600, and a mark beside it", (t) => {
  const records = setUp(t);
  records.put("kek", VALUE);
  assert.deepEqual(readdirSync(records.path).sort(), ["kek.made", "kek.state"]);
  assert.equal(statSync(records.recordPath("kek")).mode & 0o7777, 0o600);
  assert.equal(statSync(records.recordPath("kek")).nlink, 1);
});

test("a lost record differs from one that was never created: get reports it, and put creates none", async (t) => {
  const records = setUp(t);
  records.put("kek", VALUE);
  rmSync(records.recordPath("kek"));
  await assertFailure(t, "state-invalid", () => records.get("kek"), { FOLDER: records.path });
  assert.equal(records.put("kek", VALUE), false);
});

test("the next reader creates a missing mark", (t) => {
  const records = setUp(t);
  records.put("kek", VALUE);
  rmSync(join(records.path, "kek.made"));
  records.get("kek");
  assert.deepEqual(readdirSync(records.path).sort(), ["kek.made", "kek.state"]);
});

test("a reader without write permission still reads", async (t) => {
  const records = setUp(t);
  records.put("kek", VALUE);
  rmSync(join(records.path, "kek.made"));
  // Root may write anywhere: a folder in the mark's place makes the write fail.
  mkdirSync(join(records.path, "kek.made"));
  assert.deepEqual(records.get("kek"), VALUE);
});

test("a record's file has the documented format", (t) => {
  const records = setUp(t);
  records.put("kek", Uint8Array.from(Buffer.from("value")));
  // printf 'kleidi-state-1 kek 5\nvalue' | sha256sum
  assert.equal(
    readFileSync(records.recordPath("kek"), "utf8"),
    "kleidi-state-1 kek 5 731cbed8fe85c89b\nvalue",
  );
});

test("get of a record that was never created is undefined", (t) => {
  assert.equal(setUp(t).get("kek"), undefined);
});

const STANDING: [string, (path: string) => void][] = [
  ["a record", (path) => writeFileSync(path, formatRecord("kek", VALUE))],
  ["an empty file", (path) => writeFileSync(path, "")],
  ["a dangling symbolic link", (path) => symlinkSync("nothing", path)],
  ["a folder", (path) => mkdirSync(path)],
];
for (const [what, place] of STANDING) {
  test(`put never replaces ${what}`, (t) => {
    const records = setUp(t);
    place(records.recordPath("kek"));
    const before = statSync(records.path).mtimeMs;
    assert.equal(records.put("kek", Uint8Array.of(9)), false);
    assert.deepEqual(readdirSync(records.path), ["kek.state"]);
    assert.equal(statSync(records.path).mtimeMs, before);
  });
}

test("put refuses a missing folder, and get does not report it as a record that was never created", async (t) => {
  const path = join(setUp(t).path, "missing");
  const records = new StateDirectory(path);
  await assertFailure(t, "state-invalid", () => records.put("kek", VALUE), { FOLDER: path });
  await assertFailure(t, "state-invalid", () => records.get("kek"), { FOLDER: path });
});

const flipped = (file: string, at: number) => {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
};
const SPOILT: [string, (file: string) => void][] = [
  ["an empty file", (file) => writeFileSync(file, "")],
  ["a file of another kind", (file) => writeFileSync(file, "kleidi-key-1 kek\n")],
  ["a line without its end", (file) => writeFileSync(file, "kleidi-state-1 kek 4")],
  ["a flipped bit of the value", (file) => flipped(file, readFileSync(file).length - 1)],
  ["a flipped bit of the checksum", (file) => flipped(file, 24)],
  ["a record cut short", (file) => writeFileSync(file, readFileSync(file).subarray(0, -1))],
  ["an extra byte", (file) => writeFileSync(file, Buffer.concat([readFileSync(file), VALUE]))],
  ["another record's file", (file) => writeFileSync(file, formatRecord("other", VALUE))],
  ["mode 0640", (file) => chmodSync(file, 0o640)],
  [
    "a symbolic link to the record",
    (file) => {
      renameSync(file, `${file}.real`);
      symlinkSync("kek.state.real", file);
    },
  ],
  [
    "a folder",
    (file) => {
      rmSync(file);
      mkdirSync(file);
    },
  ],
  ["a file of 16,641 bytes", (file) => writeFileSync(file, new Uint8Array(16_641))],
];
for (const [what, spoil] of SPOILT) {
  test(`get refuses ${what}`, async (t) => {
    const records = setUp(t);
    records.put("kek", VALUE);
    const file = records.recordPath("kek");
    spoil(file);
    await assertFailure(t, "state-invalid", () => records.get("kek"), { FILE: file });
  });
}

test("get accepts mode 0400 and a second hard link of the file", (t) => {
  const records = setUp(t);
  records.put("kek", VALUE);
  chmodSync(records.recordPath("kek"), 0o400);
  linkSync(records.recordPath("kek"), join(records.path, "backup"));
  assert.deepEqual(records.get("kek"), VALUE);
});

const KILLS = 20;
const WORKER = `
  const { StateDirectory } = await import(process.argv[1]);
  const records = new StateDirectory(process.argv[2]);
  for (let i = 0; ; i++) {
    records.put("kek-" + i, new Uint8Array(4096).fill(i));
    if (i === 0) process.stdout.write("begun");
  }`;

test(`after ${KILLS} SIGKILLs at random moments every record is intact or was never created`, async (t) => {
  const module = new URL("./directory.ts", import.meta.url).href;
  for (let kill = 0; kill < KILLS; kill++) {
    const records = setUp(t);
    const worker = spawn(process.execPath, ["--input-type=module", "-e", WORKER, module, records.path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(worker, "exit");
    await once(worker.stdout, "data");
    await sleep(Math.random() * 15);
    worker.kill("SIGKILL");
    await exited;
    const files = readdirSync(records.path).length;
    for (let i = 0; i <= files; i++) {
      const value = records.get(`kek-${i}`);
      if (value === undefined) assert.equal(records.put(`kek-${i}`, VALUE), true);
      else assert.deepEqual(value, new Uint8Array(4096).fill(i));
    }
  }
});
