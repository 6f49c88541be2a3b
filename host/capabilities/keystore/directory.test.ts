import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs, {
  chmodSync,
  existsSync,
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
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { assertFailure } from "../../../test/support/failures.ts";
import { FOLDER_LOCK } from "../../lib/lock.ts";
import { KeyDirectory } from "./directory.ts";
import { fingerprint } from "./key-file.ts";

function folder(t: Pick<TestContext, "after">): string {
  const path = mkdtempSync(join(tmpdir(), "kleidi-keys-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A folder with one key, "main". */
function withKey(t: Pick<TestContext, "after">) {
  const path = folder(t);
  const keys = new KeyDirectory(path);
  const record = keys.create("main");
  return { path, keys, record, file: keys.keyPath("main") };
}

test("create creates a key that load returns", (t) => {
  const { keys, record } = withKey(t);
  assert.equal(fingerprint(keys.load("main")), record.fingerprint);
});

test("create leaves no key in memory: the random bytes themselves are wiped", (t) => {
  const real = crypto.getRandomValues.bind(crypto);
  const drawn: Uint8Array[] = [];
  t.mock.method(crypto, "getRandomValues", (bytes: Uint8Array<ArrayBuffer>) => {
    drawn.push(bytes);
    return real(bytes);
  });
  const { keys, record } = withKey(t);
  assert.equal(fingerprint(keys.load("main")), record.fingerprint);
  assert.deepEqual(drawn, [new Uint8Array(32)]);
});

test("create creates a file of mode 0600", (t) => {
  const { file } = withKey(t);
  assert.equal(statSync(file).mode & 0o7777, 0o600);
});

test("create leaves only the key, the record and the empty lock in the folder", (t) => {
  const { path } = withKey(t);
  assert.deepEqual(readdirSync(path).sort(), [FOLDER_LOCK, "main.json", "main.key"]);
  assert.equal(statSync(join(path, FOLDER_LOCK)).size, 0);
});

test("create creates a different key each time", (t) => {
  const { keys, record } = withKey(t);
  assert.notEqual(keys.create("other").fingerprint, record.fingerprint);
});

test("create wipes the memory of a new key, also if it cannot be written", (t) => {
  const made: Uint8Array[] = [];
  const real = crypto.getRandomValues.bind(crypto);
  t.mock.method(crypto, "getRandomValues", (bytes: Uint8Array<ArrayBuffer>) => {
    made.push(bytes);
    return real(bytes);
  });
  const path = folder(t);
  new KeyDirectory(path).create("main");
  // A folder blocks the staging name.
  mkdirSync(join(path, ".other.key.new"));
  assert.throws(() => new KeyDirectory(path).create("other"));
  assert.deepEqual(made, [new Uint8Array(32), new Uint8Array(32)]);
});

/** All memory that files are read into from now on. */
function readInto(t: TestContext): Buffer[] {
  const real = Buffer.alloc.bind(Buffer);
  const buffers: Buffer[] = [];
  t.mock.method(Buffer, "alloc", (size: number) => {
    const buffer = real(size);
    buffers.push(buffer);
    return buffer;
  });
  return buffers;
}

/** Counts the buffers that still hold a part of a key file; at least one was read. */
function holding(buffers: readonly Buffer[], text: string): number {
  assert.ok(buffers.some(({ length }) => length >= text.length));
  return buffers.filter((buffer) => buffer.includes(text.slice(-40))).length;
}

test("load leaves nothing of the file in the memory that it was read into", (t) => {
  const { keys, file } = withKey(t);
  const text = readFileSync(file, "latin1");
  const buffers = readInto(t);
  keys.load("main");
  assert.equal(holding(buffers, text), 0);
  assert.ok(buffers.some((buffer) => buffer.length >= text.length && buffer.every((byte) => byte === 0)));
});

test("load leaves nothing of a refused file in memory", (t) => {
  const { keys, file } = withKey(t);
  const text = `${readFileSync(file, "latin1")}x`;
  writeFileSync(file, text);
  const buffers = readInto(t);
  assert.throws(() => keys.load("main"), { code: "key-file-invalid" });
  assert.equal(holding(buffers, text), 0);
});

for (const [what, spoil] of [
  ["finishes", ""],
  ["refuses", "x"],
] as const)
  test(`create leaves nothing in memory of an unfinished key that it ${what}`, (t) => {
    const { path, keys, file } = withKey(t);
    const text = `${readFileSync(file, "latin1")}${spoil}`;
    rmSync(file);
    writeFileSync(join(path, ".main.key.new"), text, { mode: 0o600 });
    const buffers = readInto(t);
    if (spoil === "") keys.create("main");
    else assert.throws(() => keys.create("main"), { code: "key-file-invalid" });
    assert.equal(existsSync(file), spoil === "");
    assert.equal(holding(buffers, text), 0);
  });

test("the record has name, fingerprint and day", (t) => {
  const { path, record } = withKey(t);
  assert.deepEqual(JSON.parse(readFileSync(join(path, "main.json"), "utf8")), record);
  assert.equal(new Date(record.created).toISOString(), record.created);
});

test("the record contains no part of the key", (t) => {
  const { path, keys } = withKey(t);
  const text = readFileSync(join(path, "main.json"), "utf8");
  const found = keys.load("main").use((bytes) => {
    const key = Buffer.from(bytes);
    return [key.toString("base64url"), key.toString("hex")].filter((form) => text.includes(form.slice(0, 8)));
  });
  assert.deepEqual(found, []);
});

test("the record of a key that was never created is undefined", (t) => {
  assert.equal(new KeyDirectory(folder(t)).record("main"), undefined);
});

for (const text of ["", "{", "null", "[]", "{}", '{"fingerprint":1,"created":"x"}']) {
  test(`a record of ${JSON.stringify(text)} counts as the record of a key that may exist`, (t) => {
    const path = folder(t);
    writeFileSync(join(path, "main.json"), text);
    assert.deepEqual(new KeyDirectory(path).record("main"), {
      name: "main",
      fingerprint: "unknown",
      created: "an unknown day",
    });
  });
}

test("load reports how to create a key that was never created", async (t) => {
  const keys = new KeyDirectory(folder(t));
  await assertFailure(t, "key-not-made", () => keys.load("main"), { FILE: keys.keyPath("main") });
});

test("load reports that a lost key must be restored", async (t) => {
  const { keys, file, record } = withKey(t);
  rmSync(file);
  await assertFailure(t, "key-missing", () => keys.load("main"), {
    FILE: file,
    DAY: record.created,
    FINGERPRINT: record.fingerprint,
  });
});

test("load does not accept a staged file as the key", (t) => {
  const { keys, path, file } = withKey(t);
  renameSync(file, join(path, ".main.key.new"));
  assert.throws(() => keys.load("main"), { code: "key-missing" });
});

const SPOILT: [string, (file: string, path: string) => void][] = [
  ["an empty file", (file) => writeFileSync(file, "")],
  ["a file of 4,097 bytes", (file) => writeFileSync(file, "x".repeat(4097))],
  ["a file of 4,096 bytes that is not a key file", (file) => writeFileSync(file, "x".repeat(4096))],
  ["mode 0644", (file) => chmodSync(file, 0o644)],
  ["mode 0640", (file) => chmodSync(file, 0o640)],
  ["mode 0602", (file) => chmodSync(file, 0o602)],
  [
    "a symbolic link to the key",
    (file, path) => {
      renameSync(file, join(path, "real"));
      symlinkSync("real", file);
    },
  ],
  [
    "a dangling symbolic link",
    (file) => {
      rmSync(file);
      symlinkSync("nothing", file);
    },
  ],
  [
    "a folder",
    (file) => {
      rmSync(file);
      mkdirSync(file);
    },
  ],
  [
    "another key's file",
    (file, path) => {
      const other = new KeyDirectory(path);
      other.create("other");
      rmSync(file);
      renameSync(other.keyPath("other"), file);
    },
  ],
];
for (const [what, spoil] of SPOILT) {
  test(`load refuses ${what}`, async (t) => {
    const { keys, file, path } = withKey(t);
    spoil(file, path);
    await assertFailure(t, "key-file-invalid", () => keys.load("main"), { FILE: file });
  });
}

test("load accepts mode 0400", (t) => {
  const { keys, file, record } = withKey(t);
  chmodSync(file, 0o400);
  assert.equal(fingerprint(keys.load("main")), record.fingerprint);
});

test("create never replaces a key", async (t) => {
  const { keys, file, path } = withKey(t);
  const before = readFileSync(file, "utf8");
  await assertFailure(t, "key-exists", () => keys.create("main"), { FILE: file, FOLDER: path });
  assert.equal(readFileSync(file, "utf8"), before);
});

test("create never replaces a key whose record is gone", (t) => {
  const { keys, path } = withKey(t);
  rmSync(join(path, "main.json"));
  assert.throws(() => keys.create("main"), { code: "key-exists" });
});

for (const content of ["", "not a key"]) {
  test(`create never replaces a file of ${JSON.stringify(content)}`, (t) => {
    const path = folder(t);
    const keys = new KeyDirectory(path);
    writeFileSync(keys.keyPath("main"), content);
    assert.throws(() => keys.create("main"), { code: "key-exists" });
    assert.equal(readFileSync(keys.keyPath("main"), "utf8"), content);
  });
}

test("create never replaces a dangling symbolic link", (t) => {
  const path = folder(t);
  const keys = new KeyDirectory(path);
  symlinkSync("nothing", keys.keyPath("main"));
  assert.throws(() => keys.create("main"), { code: "key-exists" });
});

test("create refuses a key whose file is lost", async (t) => {
  const { keys, file, path, record } = withKey(t);
  rmSync(file);
  await assertFailure(t, "key-missing", () => keys.create("main"), {
    FOLDER: path,
    DAY: record.created,
    FINGERPRINT: record.fingerprint,
  });
});

test("create refuses a key whose record is unreadable", async (t) => {
  const path = folder(t);
  writeFileSync(join(path, "main.json"), "{");
  await assertFailure(t, "key-missing", () => new KeyDirectory(path).create("main"), { FOLDER: path });
});

test("create refuses a key that the configuration pins", async (t) => {
  const path = folder(t);
  await assertFailure(t, "key-missing", () => new KeyDirectory(path).create("main", "abcd"), {
    FOLDER: path,
  });
  assert.deepEqual(readdirSync(path), [FOLDER_LOCK]);
});

test("create refuses a folder that does not exist", async (t) => {
  const path = join(folder(t), "missing");
  await assertFailure(t, "key-file-invalid", () => new KeyDirectory(path).create("main"), { FOLDER: path });
  assert.equal(existsSync(path), false);
});

test("create refuses a file in the folder's place", async (t) => {
  const path = join(folder(t), "file");
  writeFileSync(path, "");
  await assertFailure(t, "key-file-invalid", () => new KeyDirectory(path).create("main"), { FOLDER: path });
});

test("create does not publish a staged key that does not match the record", (t) => {
  const { keys, path, file, record } = withKey(t);
  rmSync(file);
  rmSync(join(path, "main.json"));
  keys.create("main");
  renameSync(file, join(path, ".main.key.new"));
  writeFileSync(join(path, "main.json"), JSON.stringify(record));
  assert.throws(() => keys.create("main"), { code: "key-missing" });
  assert.equal(existsSync(file), false);
});

test("create does not publish a damaged staged key", async (t) => {
  const { keys, path, file } = withKey(t);
  const staged = join(path, ".main.key.new");
  renameSync(file, staged);
  writeFileSync(staged, readFileSync(staged, "utf8").slice(0, 40));
  await assertFailure(t, "key-file-invalid", () => keys.create("main"), { STAGED: staged });
});

// ---- interruptions between any two steps ----

type Step = "openSync" | "writeSync" | "fsyncSync" | "renameSync" | "linkSync" | "unlinkSync";
const STEPS: Step[] = ["openSync", "writeSync", "fsyncSync", "renameSync", "linkSync", "unlinkSync"];

/** Makes every changing call of the file system fail from the nth on, while work runs; returns their number. */
function interrupted(t: TestContext, at: number, work: () => void): number {
  let calls = 0;
  const mocks = STEPS.map((step) => {
    const real = fs[step] as (...args: unknown[]) => unknown;
    return t.mock.method(fs, step, (...args: unknown[]) => {
      calls += 1;
      if (calls > at) throw new Error("killed");
      return real(...args);
    });
  });
  syncBuiltinESMExports();
  try {
    work();
  } catch (error) {
    assert.equal((error as Error).message, "killed");
  } finally {
    for (const mock of mocks) mock.mock.restore();
    syncBuiltinESMExports();
  }
  return calls;
}

const STEPS_OF_CREATE = 13;

test(`create has ${STEPS_OF_CREATE} steps that can be interrupted`, (t) => {
  const keys = new KeyDirectory(folder(t));
  assert.equal(
    interrupted(t, Number.POSITIVE_INFINITY, () => keys.create("main")),
    STEPS_OF_CREATE,
  );
});

for (let at = 0; at < STEPS_OF_CREATE; at++) {
  test(`a create that is interrupted after step ${at} is finished or started again`, (t) => {
    const path = folder(t);
    const keys = new KeyDirectory(path);
    interrupted(t, at, () => keys.create("main"));
    const recorded = keys.record("main");
    const made = existsSync(keys.keyPath("main"));
    if (!made) keys.create("main");
    // Once a record exists, there is only the key that it names.
    const { fingerprint: expected } = recorded ?? keys.record("main") ?? {};
    assert.equal(fingerprint(keys.load("main")), expected);
  });

  test(`a create that is interrupted twice after step ${at} is finished or started again`, (t) => {
    const keys = new KeyDirectory(folder(t));
    interrupted(t, at, () => keys.create("main"));
    const recorded = keys.record("main");
    if (!existsSync(keys.keyPath("main"))) interrupted(t, at, () => keys.create("main"));
    if (!existsSync(keys.keyPath("main"))) keys.create("main");
    const { fingerprint: expected } = recorded ?? keys.record("main") ?? {};
    assert.equal(fingerprint(keys.load("main")), expected);
  });
}

// ---- interruptions at any moment ----

const KILLS = 30;
const AT_ONCE = 6;
const WORKER = `
  const { KeyDirectory } = await import(process.argv[1]);
  const keys = new KeyDirectory(process.argv[2]);
  for (let i = 0; ; i++) {
    keys.create("key-" + i);
    if (i === 0) process.stdout.write("begun");
  }`;

async function killedAfter(path: string, ms: number): Promise<void> {
  const module = new URL("./directory.ts", import.meta.url).href;
  const worker = spawn(process.execPath, ["--input-type=module", "-e", WORKER, module, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(worker, "exit");
  await Promise.race([once(worker.stdout, "data"), exited]);
  await new Promise((resolve) => setTimeout(resolve, ms));
  worker.kill("SIGKILL");
  const [, signal] = await exited;
  assert.equal(signal, "SIGKILL");
}

/** Every key name that has at least one file. */
function namesIn(path: string): string[] {
  const files = readdirSync(path).filter((file) => file !== FOLDER_LOCK);
  const names = files.map((file) => /^\.?(key-\d+)\.(key|json)(\.new)?$/.exec(file)?.[1] ?? file);
  return [...new Set(names)];
}

test(`after ${KILLS} SIGKILLs at random moments every key can be loaded, finished or created`, async (t) => {
  const folders = Array.from({ length: KILLS }, () => folder(t));
  for (let first = 0; first < KILLS; first += AT_ONCE) {
    await Promise.all(
      folders.slice(first, first + AT_ONCE).map((path) => killedAfter(path, Math.random() * 25)),
    );
  }
  let unfinished = 0;
  for (const path of folders) {
    const keys = new KeyDirectory(path);
    for (const name of namesIn(path)) {
      const recorded = keys.record(name);
      if (!existsSync(keys.keyPath(name))) {
        unfinished += 1;
        keys.create(name);
      }
      const { fingerprint: expected } = recorded ?? keys.record(name) ?? {};
      assert.equal(fingerprint(keys.load(name)), expected, `${name} in ${path}`);
    }
  }
  t.diagnostic(`${unfinished} of ${KILLS} kills left an unfinished key`);
});

test("create leaves no copy of the key in the memory that Node shares among Buffers", (t) => {
  const path = mkdtempSync(join(tmpdir(), "kleidi-keys-"));
  t.after(() => rmSync(path, { recursive: true }));
  const pool = () => Buffer.from(Buffer.from("pool").buffer);
  const before = pool();
  const directory = new KeyDirectory(path);
  directory.create("main");
  const key = directory.load("main");
  key.use((bytes) => {
    const encoded = new TextEncoder().encode(bytes.toBase64({ alphabet: "base64url", omitPadding: true }));
    for (const shared of [before, pool()])
      for (const secret of [bytes, encoded]) assert.equal(shared.includes(secret), false);
  });
});
