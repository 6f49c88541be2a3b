/** A host with a key continues only its own log: the log that it left, however it stopped, written by the real writer. */
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, type TestContext, test } from "node:test";
import { Chain, hashOf, ZERO_HASH } from "./chain.ts";
import { AuditLog } from "./log.ts";
import type { AuditOptions, AuditSettings } from "./options.ts";
import type { Entry } from "./record.ts";
import type { AsideFile } from "./sink/aside.ts";
import { rotatedName } from "./sink/names.ts";
import { verify } from "./verify.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");
const start = ({ claim }: AuditLog): Entry => ({ kind: "start", version: "1.2.3", pid: 1, ...claim });
/** Time for an endless loop that a defective start could run into: counting to 2^53, reading a device. */
const OWN_TIME = { timeout: 30_000 };
const CALL: Entry = { kind: "rpc", rpc: "decrypt", decision: "allowed", ms: 1, outcome: "ok" };

let folder: string;
let file: string;
let publicKey: KeyObject;
let settings: AuditSettings & { readonly checkpoints: { readonly key: string } };
let now: number;
let asides: AsideFile[];
const open: AuditLog[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
  file = join(folder, "audit.jsonl");
  const pair = generateKeyPairSync("ed25519");
  publicKey = pair.publicKey;
  const key = join(folder, "audit.key");
  writeFileSync(key, pair.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  settings = { file, stdout: false, checkpoints: { key, lines: 20, intervalMs: 600_000 } };
  now = START;
  asides = [];
});
afterEach(async () => {
  for (const log of open.splice(0)) await log.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the log like a host, and writes this many lines. */
async function host(
  lines: number,
  changes: Partial<AuditSettings> = {},
  options: AuditOptions = {},
): Promise<AuditLog> {
  const onAside = (aside: AsideFile) => asides.push(aside);
  const log = await AuditLog.open({ ...settings, ...changes }, { now: () => now, onAside, ...options });
  open.push(log);
  log.append(start(log));
  await write(log, lines);
  return log;
}

async function write(log: AuditLog, lines: number): Promise<void> {
  for (let i = 0; i < lines; i++) log.append(CALL);
  await log.settled();
}

/** Returns the state after a SIGKILL: nothing more is written. A copy, because the log of this process continues. */
async function kill(log: AuditLog): Promise<void> {
  const left = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
  const names = readdirSync(folder).filter((name) => !name.startsWith("."));
  for (const name of names) cpSync(join(folder, name), join(left, name));
  await log.close();
  open.splice(open.indexOf(log), 1);
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  for (const name of names) renameSync(join(left, name), join(folder, name));
  rmSync(left, { recursive: true });
}

async function stop(log: AuditLog): Promise<void> {
  await log.close();
  open.splice(open.indexOf(log), 1);
}

/** Removes the random parts of a sentence. */
const plain = (text: string) =>
  text.replaceAll(folder, "FOLDER").replace(/(key|chain) [0-9a-f]{16}\b/g, "$1 HEX");

const linesOf = (path: string) => readFileSync(path, "latin1").split("\n").slice(0, -1);
const recordsOf = (path: string) => linesOf(path).map((line) => JSON.parse(line));
const filesOf = (pattern = /^audit\.jsonl/) =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
const verdictOf = (files = filesOf()) => verify(files, { keys: [publicKey] });

/** The log that an attacker without the key would forge. */
function forge(path: string, edit: (lines: string[]) => string[]): void {
  const [first = ""] = linesOf(path);
  const { chain, prev, seq } = JSON.parse(first);
  const forged = new Chain({ chain, seq: seq - 1, hash: prev });
  const lines = edit(linesOf(path)).map((line) => forged.next(JSON.parse(line), JSON.parse(line).time).text);
  writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o640 });
}
const withoutCheckpoints = (lines: string[]) => lines.filter((line) => !line.includes('"kind":"checkpoint"'));

/** Asserts that the files are one chain, that all of it is the host's, and that nothing was set aside. */
function assertOwn(): void {
  assert.deepEqual(asides, []);
  assert.deepEqual(filesOf(/^untrusted-/), []);
  const { fault, gaps, first } = verdictOf();
  assert.deepEqual([fault, gaps, first], [undefined, [], 1]);
}

describe("a host continues its own log", () => {
  test("after it was stopped, and signs the start record at once", async () => {
    await stop(await host(3));
    await host(3);
    assertOwn();
    const kinds = recordsOf(file).map(({ kind }) => kind);
    const run = ["start", "checkpoint", "rpc", "rpc", "rpc"];
    assert.deepEqual(kinds, ["genesis", ...run, "checkpoint", ...run]);
  });

  test("the start record names the rhythm of checkpoints, and a log without a key names none", async () => {
    await host(0);
    const { checkpoint_lines, checkpoint_interval_ms } = recordsOf(file)[1];
    assert.deepEqual([checkpoint_lines, checkpoint_interval_ms], [20, 600_000]);
    const other = join(folder, "other.jsonl");
    const log = await AuditLog.open({ file: other, stdout: false });
    log.append(start(log));
    await stop(log);
    assert.deepEqual(Object.keys(recordsOf(other)[1]).slice(5), ["kind", "version", "pid"]);
  });

  for (const lines of [0, 1, 17, 18, 19, 20, 37, 38, 39, 40])
    test(`if it was killed after ${lines} lines, and first signs the unsigned lines`, async () => {
      await kill(await host(lines));
      now += 86_400_000;
      const log = await host(2);
      assertOwn();
      await stop(log);
      assertOwn();
    });

  test("after it was killed repeatedly before its next checkpoint", async () => {
    for (let i = 0; i < 30; i++) {
      now += 3_600_000;
      await kill(await host(7));
    }
    await host(1);
    assertOwn();
  });

  test("if it was killed in the middle of a line", async () => {
    await kill(await host(7));
    appendFileSync(file, '{"v":1,"chain":"00');
    await host(1);
    assertOwn();
  });

  test("if the rhythm was changed", async () => {
    const longer = { checkpoints: { ...settings.checkpoints, lines: 5_000, intervalMs: 3_600_000 } };
    const shorter = { checkpoints: { ...settings.checkpoints, lines: 1, intervalMs: 1_000 } };
    for (const rhythm of [longer, shorter, {}, shorter, longer]) {
      const log = await host(0, rhythm, { queueBytes: 1e7 });
      now += 100_000;
      await write(log, rhythm === longer ? 4_900 : 30);
      await kill(log);
    }
    await host(1);
    assertOwn();
  });

  test("after the clock was set forward and back", async () => {
    const log = await host(3);
    for (const step of [86_400_000, -172_800_000, 5_000, 86_400_000, -1, 599_999, 1]) {
      now += step;
      await write(log, 3);
    }
    await kill(log);
    now -= 1_000_000;
    await host(3);
    assertOwn();
  });

  test("over its rotated files, also if it was killed during a rotation", async () => {
    for (let i = 0; i < 3; i++) await kill(await host(40, { rotate: { sizeBytes: 3_000 } }));
    const log = await host(3);
    log.rotate();
    await stop(log);
    const [{ seq: first }, { seq: last }] = [recordsOf(file)[0], recordsOf(file).at(-1)];
    // As a kill leaves it after the second name of the old file and before the first line of the next one.
    linkSync(file, rotatedName(file, first, last));
    writeFileSync(join(folder, ".audit.jsonl.next"), "", { mode: 0o640 });
    await host(3);
    assertOwn();
    assert.ok(filesOf().length > 3);
  });

  test("if the older files were removed, so that the file begins in the middle", async () => {
    const slow = { checkpoints: { ...settings.checkpoints, lines: 5_000, intervalMs: 3_600_000 } };
    const log = await host(30, { ...slow, rotate: { sizeBytes: 1_000_000, keep: 1 } });
    log.rotate();
    log.rotate();
    await write(log, 3_000);
    await kill(log);
    await host(1, slow);
    assert.deepEqual(asides, []);
    const { fault, first = 0 } = verdictOf();
    assert.equal(fault, undefined);
    assert.ok(first > 1);
  });

  test("if the file was moved away, and the host was killed after the first line of the next one", async () => {
    const log = await host(30);
    log.rotate();
    await kill(log);
    for (const path of filesOf(/^audit\.jsonl\./)) unlinkSync(path);
    writeFileSync(file, `${linesOf(file)[0]}\n`, { mode: 0o640 });
    await host(3);
    assert.deepEqual([asides, filesOf(/^untrusted-/), verdictOf().fault], [[], [], undefined]);
  });

  test("if its first line was only partly written", async () => {
    writeFileSync(file, '{"v":1', { mode: 0o640 });
    await host(1);
    assertOwn();
  });
});

describe("a host sets a log aside that it did not leave, keeps its files, and begins a new chain:", () => {
  /** Returns the new file's first record, after checking the conditions of every case. */
  async function assertSetAside(t: TestContext): Promise<Record<string, unknown>> {
    const before = filesOf().map((path) => [path, readFileSync(path)] as const);
    const last = linesOf(file).at(-1) ?? "";
    const log = await host(3);
    assert.equal(asides.length, 1);
    const [{ aside = "", why: said } = {}] = asides;
    t.assert.snapshot(plain(said ?? ""));
    // byte for byte under another name
    const kept = filesOf(/^untrusted-/).map((path) => readFileSync(path));
    for (const [path, bytes] of before)
      assert.ok(
        kept.some((other) => other.equals(bytes)),
        `${path} is kept`,
      );
    assert.equal(kept.length, before.length);
    assert.equal(log.untrusted, before.length);
    assert.match(aside, /^untrusted-\d{8}T\d{6}Z-[0-9a-f]{8}-audit\.jsonl$/);
    const [first, ...others] = recordsOf(file);
    assert.deepEqual([first.kind, first.seq, first.prev, first.aside], ["genesis", 1, ZERO_HASH, aside]);
    assert.equal(first.why, said);
    if (first.last !== undefined) assert.equal(first.last, hashOf(last));
    assert.deepEqual(
      others.map(({ kind }) => kind),
      ["start", "checkpoint", "rpc", "rpc", "rpc"],
    );
    const { fault, notes } = verdictOf();
    assert.equal(fault, undefined);
    assert.match(notes.join("\n"), /audit\.jsonl:1: the host set aside a log that it did not trust/);
    await stop(log);
    // Once: the new log is its own.
    await stop(await host(1));
    assert.equal(asides.length, 1);
    return first;
  }

  test("a log without checkpoints", async (t) => {
    await stop(await host(100));
    forge(file, (lines) => withoutCheckpoints(lines).toSpliced(50, 2));
    const { last } = await assertSetAside(t);
    assert.ok(last !== undefined);
  });

  test("more lines after the last checkpoint than a host leaves unsigned", async (t) => {
    await stop(await host(100));
    // The signature of a checkpoint in the middle is still valid there.
    forge(file, (lines) => [...lines.slice(0, 22), ...withoutCheckpoints(lines.slice(22)).slice(1)]);
    await assertSetAside(t);
  });

  test("a few lines over a longer time than a host leaves them unsigned", async (t) => {
    const log = await host(1);
    for (let i = 0; i < 3; i++) {
      now += 1_800_000;
      await write(log, 1);
    }
    await stop(log);
    forge(file, (lines) => [...lines.slice(0, 3), ...withoutCheckpoints(lines.slice(3))]);
    await assertSetAside(t);
  });

  test("a claim of a longer rhythm that no checkpoint covers", async (t) => {
    await stop(await host(100));
    forge(file, (lines) => [
      ...lines.slice(0, 3),
      ...withoutCheckpoints(lines.slice(3)).map((line) =>
        line.replace(
          '"kind":"rpc"',
          '"kind":"start","version":"1","pid":1,"checkpoint_lines":100000,"checkpoint_interval_ms":3600000',
        ),
      ),
    ]);
    await assertSetAside(t);
  });

  test("records of lines that another sink missed, instead of a checkpoint", async (t) => {
    await stop(await host(100));
    const gap =
      '"kind":"gap","sink":"stdout","error":"x","since":"2026-01-01T00:00:00.000Z","from":1,"to":2,"last":"';
    forge(file, (lines) => [
      ...lines.slice(0, 3),
      ...withoutCheckpoints(lines.slice(3)).map((line, i) =>
        i % 10 === 0 ? line.replace('"kind":"rpc"', `${gap}${"0".repeat(64)}"`) : line,
      ),
    ]);
    assert.ok(recordsOf(file).some(({ kind }) => kind === "gap"));
    await assertSetAside(t);
  });

  test("a line after the last checkpoint that is not in the canonical form", async (t) => {
    await kill(await host(3));
    const text = readFileSync(file, "latin1");
    writeFileSync(file, text.replace(/"time":"[^"]+"(?=[^\n]*\n$)/, '"time":"2026-13-01T00:00:00.000Z"'));
    await assertSetAside(t);
  });

  test("a checkpoint that the key did not sign", async (t) => {
    await stop(await host(5));
    forge(file, (lines) => lines.toSpliced(4, 1));
    await assertSetAside(t);
  });

  test("a checkpoint that is not in the canonical form", async (t) => {
    await stop(await host(5));
    const text = readFileSync(file, "latin1");
    writeFileSync(file, `${text.slice(0, -2)},"note":"x"}\n`);
    await assertSetAside(t);
  });

  test("a checkpoint of another key", async (t) => {
    await stop(await host(5));
    const { privateKey } = generateKeyPairSync("ed25519");
    writeFileSync(settings.checkpoints.key, privateKey.export({ type: "pkcs8", format: "pem" }));
    publicKey = createPublicKey(privateKey);
    await assertSetAside(t);
  });

  test("lines that contradict each other", async (t) => {
    await stop(await host(5));
    writeFileSync(file, readFileSync(file, "latin1").replace('"ms":1,', '"ms":2,'));
    await assertSetAside(t);
  });

  test("lines that contradict each other before the part that a start without a key reads", async (t) => {
    const slow = { checkpoints: { ...settings.checkpoints, lines: 5_000, intervalMs: 3_600_000 } };
    await kill(await host(4_000, slow, { queueBytes: 1e7 }));
    writeFileSync(file, readFileSync(file, "latin1").replace('"ms":1,', '"ms":2,'));
    await assertSetAside(t);
  });

  test("a line whose sequence leaves no room for more lines", OWN_TIME, async (t) => {
    await stop(await host(5));
    for (const seq of [Number.MAX_SAFE_INTEGER - 2, 2 ** 51 + 1]) {
      const chain = new Chain({ chain: "0123456789abcdef", seq: 1, hash: "a".repeat(64) });
      const { text } = chain.next({ kind: "rotate", reason: "size" }, new Date(START).toISOString());
      writeFileSync(file, `${text.replace('"seq":2', `"seq":${seq}`)}\n`, { mode: 0o640 });
      asides = [];
      for (const path of filesOf(/^untrusted-/)) unlinkSync(path);
      const first = await assertSetAside(t);
      assert.equal(first.seq, 1);
    }
  });

  test("a gap to the last possible sequence, after a checkpoint of the host", OWN_TIME, async (t) => {
    await stop(await host(5));
    const text = linesOf(file).at(-1) ?? "";
    const { chain, seq, time } = JSON.parse(text);
    const to = Number.MAX_SAFE_INTEGER - 8;
    const forged = new Chain({ chain, seq: 1, hash: ZERO_HASH });
    const gap = { kind: "gap", sink: "file", error: "x", since: time, from: seq + 1, to } as const;
    const line = forged.next({ ...gap, last: hashOf(text) }, time).text;
    appendFileSync(file, `${line.replace('"seq":2', `"seq":${to + 1}`)}\n`);
    assert.equal(verdictOf().fault?.kind, "cut");
    await assertSetAside(t);
  });

  test("the rotated files too, so that the new log neither continues them nor rotates onto them", async (t) => {
    const log = await host(3);
    log.rotate();
    await write(log, 3);
    await stop(log);
    forge(file, withoutCheckpoints);
    const [rotated = ""] = filesOf(/^audit\.jsonl\.\d/);
    forge(rotated, withoutCheckpoints);
    await assertSetAside(t);
    assert.deepEqual(filesOf(), [file]);
  });

  test(
    "also if the file is missing, and only an object with the name of a rotated one exists",
    OWN_TIME,
    async (t) => {
      await stop(await host(30));
      forge(file, withoutCheckpoints);
      renameSync(file, join(folder, "audit.jsonl.000000000001-000000000005"));
      const log = await host(1);
      assert.equal(asides.length, 1);
      assert.equal(recordsOf(file)[0].kind, "genesis");
      await stop(log);
      symlinkSync("/dev/zero", join(folder, "audit.jsonl.000000000001-000000000009"));
      unlinkSync(file);
      await host(1);
      t.assert.snapshot(plain(asides[1]?.why ?? ""));
    },
  );

  test("but without a key it continues any log", async () => {
    const { checkpoints: _, ...keyless } = settings;
    const log = await AuditLog.open(keyless);
    await write(log, 3_000);
    await stop(log);
    const again = await AuditLog.open(keyless, { onAside: (aside) => asides.push(aside) });
    await write(again, 1);
    await stop(again);
    assert.deepEqual([asides, filesOf(/^untrusted/)], [[], []]);
    assert.ok(existsSync(file));
  });
});

describe("if the newest lines were moved away while the host did not run", () => {
  const keyed = () => settings;
  const keyless = (): AuditSettings => ({ file, stdout: false });
  /** Locations to which the file is moved: the first two are found by the pattern for the log's own files. */
  const PLACES: [where: string, move: () => void][] = [
    ["to audit.jsonl.1", () => renameSync(file, `${file}.1`)],
    ["to a dated name", () => renameSync(file, `${file}-20260101`)],
    ["to another folder", () => renameSync(file, join(elsewhere, "audit.jsonl"))],
    [
      "by a program that creates an empty one in its place",
      () => {
        renameSync(file, `${file}.1`);
        writeFileSync(file, "", { mode: 0o640 });
      },
    ],
    [
      "with the newest rotated one",
      () => {
        renameSync(file, join(elsewhere, "audit.jsonl"));
        const [newest = ""] = filesOf(/^audit\.jsonl\.\d{12}/).toReversed();
        renameSync(newest, join(elsewhere, "rotated"));
      },
    ],
  ];
  let elsewhere: string;
  beforeEach(() => {
    elsewhere = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
  });
  afterEach(() => rmSync(elsewhere, { recursive: true, force: true }));

  for (const [how, settingsOf] of [
    ["with a key", keyed],
    ["without a key", keyless],
  ] as const)
    for (const [where, move] of PLACES)
      test(`a host ${how} begins a new chain and repeats no sequence of the old one: ${where}`, async (t) => {
        const log = await host(3, settingsOf(), {});
        for (let i = 0; i < 2; i++) {
          log.rotate();
          await write(log, 3);
        }
        await stop(log);
        const old = filesOf().flatMap(linesOf);
        const { chain } = JSON.parse(old[0] ?? "");
        move();
        const [newest = ""] = filesOf(/^audit\.jsonl\.\d{12}/).toReversed();
        const last = hashOf(linesOf(newest).at(-1) ?? "");
        await stop(await host(3, settingsOf(), {}));
        const present = recordsOf(file);
        assert.ok(present.every((line) => line.chain !== chain));
        assert.deepEqual([present[0].kind, present[0].seq], ["genesis", 1]);
        t.assert.snapshot(plain(present[0].why));
        assert.equal(present[0].last, last);
        assert.equal(asides.length, 1);
        // verify: the new log is intact, and names the log beside which it began.
        assert.equal(verify([file], { keys: how === "with a key" ? [publicKey] : [] }).fault, undefined);
        assert.match(
          verify([file], { keys: [] }).notes.join(),
          /the host set aside a log that it did not trust/,
        );
        // The old log is intact too, with the files from both places.
        const aside = filesOf(/^untrusted-/);
        const moved = [...filesOf(/^audit\.jsonl[.-]/), ...filesIn(elsewhere)];
        const whole = verify([...aside, ...moved], { keys: [] });
        assert.deepEqual([whole.fault, whole.first, whole.lines], [undefined, 1, old.length]);
        // Both together are reported as two logs, not as missing lines.
        const both = verify([...filesOf(), ...aside, ...filesIn(elsewhere)], { keys: [] });
        assert.equal(both.fault?.kind, "inserted");
        t.assert.snapshot(plain(both.fault.why));
        // once
        await stop(await host(1, settingsOf(), {}));
        assert.equal(asides.length, 1);
      });

  const filesIn = (path: string) => readdirSync(path).map((name) => join(path, name));

  for (const [how, settingsOf] of [
    ["with a key", keyed],
    ["without a key", keyless],
  ] as const)
    test(`a host ${how} starts although an empty file, a folder or a pipe has the name of a rotated one`, async () => {
      const name = `${file}.${"9".repeat(12)}-${"9".repeat(16)}`;
      for (const make of [
        () => writeFileSync(name, "", { mode: 0o640 }),
        () => mkdirSync(name),
        () => symlinkSync("/nowhere", name),
        () => writeFileSync(name, "not a line\n"),
      ]) {
        rmSync(file, { force: true });
        asides = [];
        make();
        await stop(await host(2, settingsOf()));
        assert.equal(asides.length, 1);
        assert.equal(recordsOf(file)[0].kind, "genesis");
        assert.equal(existsSync(name), false);
      }
    });
});
