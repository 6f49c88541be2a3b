import assert from "node:assert/strict";
import { generateKeyPairSync, hash, type KeyObject } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { failureOf } from "../../test/support/failures.ts";
import type { ErrorCode } from "../error.ts";
import { isSigned } from "./checkpoint.ts";
import { AuditLog } from "./log.ts";
import { openLog } from "./open-file.ts";
import type { AuditOptions, AuditSettings } from "./options.ts";
import type { Entry } from "./record.ts";
import { FileOutput } from "./sink/file.ts";
import { verify } from "./verify.ts";

const CALL: Entry = {
  kind: "host_call",
  rpc: "decrypt",
  provider: "vault",
  capability: "net",
  operation: "request",
  target: "https://vault:8200/v1/transit/decrypt/kek",
  decision: "allowed",
  rule: "grants.net[0]",
  ms: 1.5,
  outcome: "ok",
};

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
  file = join(folder, "audit.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(changes: Partial<AuditSettings> = {}, options: AuditOptions = {}): Promise<AuditLog> {
  return AuditLog.open(
    { file, stdout: false, ...changes },
    { backOff: { firstMs: 20, longestMs: 50 }, ...options },
  );
}

const linesOf = (path: string) => readFileSync(path, "latin1").split("\n").slice(0, -1);
const recordsOf = (path: string) => linesOf(path).map((line) => JSON.parse(line));
const kindsOf = (path: string) => recordsOf(path).map(({ kind }) => kind);
const filesOf = () => readdirSync(folder).filter((name) => !name.startsWith("."));

/** Compares a sentence with the snapshot, without the folder of the test and the sizes, which depend on the speed of the machine. */
function assertSentence(t: TestContext, sentence: string): void {
  const plain = sentence.replaceAll(folder, "FOLDER");
  t.assert.snapshot(plain.replace(/\d+ bytes, the host wrote \d+/, "N bytes, the host wrote N"));
}

async function assertRefused(t: TestContext, code: ErrorCode, work: () => unknown): Promise<void> {
  const failure = await failureOf(work);
  assert.equal(failure.code, code);
  assertSentence(t, failure.message);
}

/** The target of a descriptor; the descriptor may be closed meanwhile. */
function linkOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(descriptor);
  } catch {
    return undefined;
  }
}

/** Asserts that each line's prev is the hash of the line before, over these files in order. */
function assertChained(...paths: string[]): void {
  let prev = "0".repeat(64);
  let seq = 0;
  for (const line of paths.flatMap(linesOf)) {
    const record = JSON.parse(line);
    assert.equal(record.prev, prev, line);
    assert.equal(record.seq, seq + 1, line);
    prev = hash("sha256", line);
    seq += 1;
  }
}

async function written(log: AuditLog, count: number): Promise<void> {
  for (let i = 0; i < count; i++) log.append(CALL);
  await log.settled();
}

function keyFile(): { key: string; publicKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = join(folder, "audit.key");
  writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return { key, publicKey };
}

describe("AuditLog", () => {
  test("writes a chain of lines that begins with genesis", async () => {
    const log = await open();
    await written(log, 3);
    assert.deepEqual(kindsOf(file), ["genesis", "host_call", "host_call", "host_call"]);
    assertChained(file);
    assert.equal(statSync(file).mode & 0o777, 0o640);
    await log.close();
  });

  test("continues the chain of the file that it finds", async () => {
    for (let i = 0; i < 3; i++) {
      const log = await open();
      await written(log, 2);
      await log.close();
    }
    assertChained(file);
    assert.equal(linesOf(file).length, 7);
    assert.equal(new Set(recordsOf(file).map(({ chain }) => chain)).size, 1);
  });

  test("removes a torn last line and records its length and hash", async () => {
    const first = await open();
    await written(first, 2);
    await first.close();
    const torn = '{"v":1,"chain":"00';
    appendFileSync(file, torn);
    const log = await open();
    await written(log, 1);
    await log.close();
    assertChained(file);
    const record = recordsOf(file)[3];
    assert.equal(record.kind, "torn");
    assert.equal(record.bytes, torn.length);
    assert.equal(record.sha256, hash("sha256", torn));
  });

  test("removes zero bytes that a power loss left at the end", async () => {
    const first = await open();
    await written(first, 2);
    await first.close();
    appendFileSync(file, Buffer.alloc(300));
    const log = await open();
    await log.settled();
    await log.close();
    assert.deepEqual(kindsOf(file), ["genesis", "host_call", "host_call", "torn"]);
    assertChained(file);
  });

  test("begins a chain and records the torn bytes if the first line is incomplete", async () => {
    writeFileSync(file, '{"v":1', { mode: 0o640 });
    const log = await open();
    await log.settled();
    await log.close();
    assert.deepEqual(kindsOf(file), ["genesis", "torn"]);
    assertChained(file);
  });

  const EDITS: Readonly<Record<string, (lines: string[]) => string[]>> = {
    "with a changed second-to-last line": (lines) =>
      lines.with(-2, (lines.at(-2) ?? "").replace("vault", "local")),
    "with a last line that is not JSON": (lines) => lines.with(-1, (lines.at(-1) ?? "").slice(0, -1)),
    "with a line removed near the end": (lines) => lines.toSpliced(-2, 1),
    "with other text at the end": (lines) => [...lines, "hello"],
  };
  for (const [what, edit] of Object.entries(EDITS)) {
    test(`neither continues nor changes a file ${what}`, async (t) => {
      const first = await open();
      await written(first, 5);
      await first.close();
      writeFileSync(file, `${edit(linesOf(file)).join("\n")}\n`);
      const before = readFileSync(file);
      await assertRefused(t, "audit-invalid", () => open());
      assert.deepEqual(readFileSync(file), before);
    });
  }

  test("refuses a file that another log writes to, and opens it after that log is closed", async (t) => {
    const first = await open();
    await assertRefused(t, "audit-invalid", () => open());
    await first.close();
    const second = await open();
    await second.close();
    assert.deepEqual(filesOf(), ["audit.jsonl"]);
    assert.deepEqual(readdirSync(folder), ["audit.jsonl"]);
  });

  test("refuses a symbolic link, a folder, and a file or folder that others may write", async (t) => {
    symlinkSync(join(folder, "elsewhere"), file);
    await assertRefused(t, "audit-invalid", () => open());
    unlinkSync(file);
    mkdirSync(file);
    await assertRefused(t, "audit-invalid", () => open());
    rmSync(file, { recursive: true });
    writeFileSync(file, "");
    chmodSync(file, 0o660);
    await assertRefused(t, "audit-invalid", () => open());
    unlinkSync(file);
    chmodSync(folder, 0o757);
    await assertRefused(t, "audit-invalid", () => open());
    await assertRefused(t, "audit-invalid", () => open({ file: join(folder, "none", "audit.jsonl") }));
    assert.deepEqual(readdirSync(folder), []);
  });

  test("records how far the clock went backwards", async () => {
    let now = Date.parse("2026-01-01T00:00:10.000Z");
    const log = await open({}, { now: () => now });
    await written(log, 1);
    now -= 5_000;
    await written(log, 2);
    await log.close();
    assertChained(file);
    const [, , clock, ...others] = recordsOf(file);
    assert.deepEqual([clock.kind, clock.back_ms, clock.time], ["clock", 5_000, "2026-01-01T00:00:05.000Z"]);
    assert.deepEqual(
      others.map(({ kind }) => kind),
      ["host_call", "host_call"],
    );
  });

  test("records that the clock is earlier than the last line of the previous run", async () => {
    const first = await open({}, { now: () => 2_000 });
    await written(first, 1);
    await first.close();
    const log = await open({}, { now: () => 500 });
    await written(log, 1);
    await log.close();
    assert.equal(recordsOf(file)[2].back_ms, 1_500);
  });
});

describe("checkpoints", () => {
  test("are signed after the configured number of lines and at the end", async () => {
    const { key, publicKey } = keyFile();
    const log = await open({ checkpoints: { key, lines: 3, intervalMs: 60_000 } });
    await written(log, 4);
    await log.close();
    assert.deepEqual(kindsOf(file), [
      "genesis",
      "host_call",
      "host_call",
      "checkpoint",
      "host_call",
      "host_call",
      "checkpoint",
    ]);
    assertChained(file);
    for (const { kind, chain, seq, prev, time, signature } of recordsOf(file)) {
      if (kind !== "checkpoint") continue;
      assert.ok(isSigned(publicKey, { chain, seq: seq - 1, hash: prev }, time, signature));
      assert.ok(!isSigned(publicKey, { chain, seq, hash: prev }, time, signature));
    }
  });

  test("are signed after the interval if there are new lines, and not otherwise", async () => {
    const { key } = keyFile();
    const log = await open({ checkpoints: { key, lines: 1000, intervalMs: 20 } });
    await written(log, 1);
    while (kindsOf(file).at(-1) !== "checkpoint") await sleep(5);
    await sleep(100);
    await log.close();
    assert.deepEqual(kindsOf(file), ["genesis", "host_call", "checkpoint"]);
  });

  test("are at the end of each file and after its first lines, so that each file is signed independently", async () => {
    const { key, publicKey } = keyFile();
    const checkpoints = { key, lines: 1000, intervalMs: 60_000 };
    const log = await open({ checkpoints, rotate: { sizeBytes: 3_000 } });
    await written(log, 20);
    log.rotate();
    // Nothing to sign: a checkpoint is not written twice.
    log.rotate();
    await written(log, 1);
    await log.close();
    const [, ...rotated] = filesOf()
      .filter((name) => name.startsWith("audit.jsonl"))
      .sort();
    assert.ok(rotated.length > 3, rotated.join());
    for (const name of rotated) {
      const path = join(folder, name);
      assert.equal(kindsOf(path).at(-1), "checkpoint", name);
      assert.deepEqual(
        [verify([path], { keys: [publicKey] }).fault, verify([path], { keys: [publicKey] }).notes.length],
        [undefined, rotated[0] === name ? 0 : 1],
      );
      if (rotated[0] !== name)
        assert.deepEqual(kindsOf(path).slice(0, 3), ["rotate", "rhythm", "checkpoint"]);
    }
    assert.deepEqual(kindsOf(join(folder, rotated.at(-1) ?? "")), ["rotate", "rhythm", "checkpoint"]);
  });

  test("that a timer cannot create do not stop the host: the log accepts no more lines, and reports it once", async (t) => {
    const { key } = keyFile();
    let now = 1_000;
    const told = Promise.withResolvers<Error>();
    let count = 0;
    const onFault = (fault: Error) => {
      count += 1;
      told.resolve(fault);
    };
    const log = await open(
      { checkpoints: { key, lines: 1000, intervalMs: 20 } },
      { now: () => now, onFault },
    );
    log.append(CALL);
    // No time has this number, so no line can be created. The timer reads the clock later than this, even on a slow machine.
    now = Number.NaN;
    const alive = setInterval(() => {}, 1_000);
    const { message } = await told.promise;
    clearInterval(alive);
    assertSentence(t, message);
    now = 2_000;
    assert.throws(() => log.append(CALL), { code: "audit-failed", message });
    assert.throws(() => log.assertReady(), { code: "audit-failed", message });
    // On a slow machine the line before is not written yet.
    await log.settled().catch((error: Error) => assert.equal(error.message, message));
    log.rotate();
    assert.deepEqual(await log.close(), []);
    assert.deepEqual([kindsOf(file), count], [["genesis", "host_call"], 1]);
  });

  test("that cannot be created at the end leave the file neither open nor locked", async () => {
    let now = 1_000;
    const faults: Error[] = [];
    const onFault = (fault: Error) => faults.push(fault);
    const checkpoints = { key: keyFile().key, lines: 1000, intervalMs: 60_000 };
    const log = await open({ checkpoints }, { now: () => now, onFault });
    await written(log, 1);
    now = Number.NaN;
    assert.deepEqual(await log.close(), []);
    assert.equal(faults.length, 1);
    await (await open({ checkpoints })).close();
  });

  test("and records of a recovered sink that cannot be created do not stop the host", async (t) => {
    let now = 1_000;
    const told = Promise.withResolvers<Error>();
    const log = await open({}, { now: () => now, onFault: told.resolve });
    await written(log, 1);
    // Blocks the next file.
    const obstacle = join(folder, ".audit.jsonl.next");
    mkdirSync(obstacle);
    log.rotate();
    await assert.rejects(log.settled(), { code: "audit-failed" });
    now = Number.NaN;
    rmSync(obstacle, { recursive: true });
    assertSentence(t, (await told.promise).message);
    assert.throws(() => log.assertReady(), { code: "audit-failed" });
    await log.close();
  });

  test("precede a line after the interval, even if no timer fired", async () => {
    const { key, publicKey } = keyFile();
    let now = 1_000;
    const log = await open({ checkpoints: { key, lines: 1000, intervalMs: 60_000 } }, { now: () => now });
    await written(log, 1);
    now += 59_999;
    await written(log, 1);
    now += 1;
    await written(log, 1);
    await log.close();
    assert.deepEqual(kindsOf(file), [
      "genesis",
      "host_call",
      "host_call",
      "checkpoint",
      "host_call",
      "checkpoint",
    ]);
    assert.equal(verify([file], { keys: [publicKey] }).fault, undefined);
  });

  test("need a key that only the user can read", async (t) => {
    const { key } = keyFile();
    chmodSync(key, 0o644);
    await assertRefused(t, "audit-invalid", () => open({ checkpoints: { key, lines: 3, intervalMs: 1000 } }));
    // No lock is held.
    await (await open()).close();
  });
});

describe("rotation", () => {
  test("by size continues the chain over files named by their sequences", async () => {
    const log = await open({ rotate: { sizeBytes: 3_000 } });
    for (let i = 0; i < 30; i++) await written(log, 1);
    await log.close();
    const files = filesOf().sort();
    assert.equal(files[0], "audit.jsonl");
    assert.ok(files.length > 3, files.join());
    const rotated = files.slice(1).map((name) => join(folder, name));
    assertChained(...rotated, file);
    for (const path of rotated) {
      const records = recordsOf(path);
      const [, first, last] = /\.(\d{12})-(\d{12})$/.exec(path) ?? [];
      assert.deepEqual([Number(first), Number(last)], [records.at(0).seq, records.at(-1).seq]);
    }
    for (const path of [...rotated.slice(1), file]) assert.equal(kindsOf(path)[0], "rotate");
  });

  test("keeps the order of lines that were appended while files changed", async () => {
    const log = await open({ rotate: { sizeBytes: 3_000 } });
    await written(log, 200);
    await log.close();
    const [, ...rotated] = filesOf().sort();
    assertChained(...rotated.map((name) => join(folder, name)), file);
  });

  test("keeps the configured number of rotated files", async () => {
    const log = await open({ rotate: { sizeBytes: 3_000, keep: 2 } });
    await written(log, 200);
    await log.close();
    assert.equal(filesOf().length, 3);
  });

  /** The steps of a rotation, as a SIGKILL between them leaves the folder. */
  const STEPS: [where: string, leave: (rotated: string) => void][] = [
    ["before the next file has its line", () => writeFileSync(next(), "", { mode: 0o640 })],
    ["before the old file has its second name", () => writeFileSync(next(), "x\n", { mode: 0o640 })],
    [
      "before the next file has its name",
      (rotated) => {
        writeFileSync(next(), "x\n", { mode: 0o640 });
        linkSync(file, rotated);
      },
    ],
  ];
  const next = () => join(folder, ".audit.jsonl.next");
  for (const [where, leave] of STEPS)
    test(`is repeated if the host was killed ${where}`, async () => {
      const first = await open();
      await written(first, 2);
      first.rotate();
      await written(first, 2);
      await first.close();
      const half = join(folder, "audit.jsonl.000000000004-000000000006");
      leave(half);
      // Also before the next start.
      const paths = filesOf().map((name) => join(folder, name));
      const { fault, lines } = verify(paths, { keys: [] });
      assert.deepEqual([fault, lines], [undefined, 6]);
      const log = await open();
      assert.deepEqual([existsSync(next()), existsSync(half)], [false, false]);
      await written(log, 1);
      log.rotate();
      await written(log, 1);
      await log.close();
      assert.deepEqual(filesOf().sort(), [
        "audit.jsonl",
        "audit.jsonl.000000000001-000000000003",
        "audit.jsonl.000000000004-000000000007",
      ]);
      assertChained(
        ...filesOf()
          .sort()
          .slice(1)
          .map((name) => join(folder, name)),
        file,
      );
    });

  test("never leaves the path without a line", async () => {
    const log = await open({ rotate: { sizeBytes: 1_000, keep: 3 } });
    await written(log, 1);
    let looks = 0;
    let done = false;
    const looking = (async () => {
      for (; !done; looks++) {
        assert.ok(statSync(file).size > 0);
        await new Promise(setImmediate);
      }
    })();
    for (let i = 0; i < 200; i++) await written(log, 1);
    done = true;
    await looking;
    assert.ok(looks > 50);
    assert.equal(filesOf().length, 4);
    await log.close();
  });

  for (const keep of [0, 1, 2])
    test(`keeps ${keep} rotated files, also when it is repeated after a failure`, async () => {
      const log = await open({ rotate: { sizeBytes: 1_000_000, keep } });
      for (let i = 0; i < 4; i++) {
        await written(log, 1);
        log.rotate();
        await log.settled();
        assert.equal(filesOf().length, 1 + Math.min(keep, i + 1));
      }
      // Blocks the next file.
      mkdirSync(next());
      log.rotate();
      await assert.rejects(log.settled(), { code: "audit-failed" });
      rmSync(next(), { recursive: true });
      for (;;) {
        try {
          await written(log, 1);
          break;
        } catch {
          await sleep(10);
        }
      }
      await log.close();
      assert.equal(filesOf().length, 1 + keep);
      assert.equal(kindsOf(file)[0], "rotate");
    });

  test("continues in a new file when the file is moved away", async () => {
    const log = await open();
    await written(log, 2);
    const moved = join(folder, "audit.jsonl.1");
    renameSync(file, moved);
    while (!existsSync(file)) {
      await written(log, 1);
      await sleep(20);
    }
    await written(log, 2);
    await log.close();
    assertChained(moved, file);
    assert.equal(recordsOf(file)[0].reason, "moved");
  });

  test("never replaces an existing file", async (t) => {
    const log = await open();
    await written(log, 2);
    const name = join(folder, "audit.jsonl.000000000001-000000000003");
    writeFileSync(name, "another log's");
    log.rotate();
    await assertRefused(t, "audit-failed", () => written(log, 1));
    unlinkSync(name);
    for (;;) {
      try {
        await written(log, 1);
        break;
      } catch {
        await sleep(10);
      }
    }
    await log.close();
    assertChained(name, file);
  });

  test("on request continues at once after the file was moved away", async () => {
    const log = await open();
    await written(log, 2);
    renameSync(file, join(folder, "audit.jsonl.1"));
    log.rotate();
    await written(log, 1);
    await log.close();
    assertChained(join(folder, "audit.jsonl.1"), file);
  });
});

describe("no audit, no service", () => {
  async function untilFailed(log: AuditLog): Promise<Error> {
    for (;;) {
      try {
        log.assertReady();
        log.append(CALL);
        await log.settled();
      } catch (error) {
        return error as Error;
      }
      await sleep(20);
    }
  }
  async function untilReady(log: AuditLog): Promise<void> {
    for (;;) {
      try {
        log.assertReady();
        return;
      } catch {
        await sleep(20);
      }
    }
  }

  test("a file that another process truncated fails the log closed", async (t) => {
    const log = await open();
    await written(log, 3);
    truncateSync(file, 10);
    const error = await untilFailed(log);
    assertSentence(t, error.message);
    assert.throws(() => log.append(CALL), { code: "audit-failed" });
    await assert.rejects(log.settled(), { code: "audit-failed" });
    const [sink] = log.sinks;
    assertSentence(t, sink?.failure?.error ?? "");
    await log.close();
  });

  test("a file that another process writes to fails the log closed", async (t) => {
    const log = await open();
    await written(log, 3);
    appendFileSync(file, "x\n");
    assertSentence(t, (await untilFailed(log)).message);
    await log.close();
  });

  test("an edited copy that replaced the file fails the log closed until it is moved away", async (t) => {
    const log = await open();
    await written(log, 3);
    writeFileSync(join(folder, "copy"), readFileSync(file), { mode: 0o640 });
    renameSync(join(folder, "copy"), file);
    assertSentence(t, (await untilFailed(log)).message);
    renameSync(file, join(folder, "copy"));
    await untilReady(log);
    await written(log, 1);
    await log.close();
    const gap = recordsOf(file).find(({ kind }) => kind === "gap");
    assert.deepEqual([gap.from, gap.error], [1, "the file was removed"]);
  });

  test("lines that are appended while no sink accepts lines are refused, kept, and written when one recovers", async (t) => {
    const log = await open();
    await written(log, 3);
    renameSync(file, join(folder, "away"));
    writeFileSync(file, "another file\n", { mode: 0o640 });
    const { message } = await untilFailed(log);
    assertSentence(t, message);
    const uids = Array.from({ length: 20 }, (_, i) => `in-vain-${i}`);
    for (const uid of uids)
      assert.throws(() => log.append({ ...CALL, uid }), { code: "audit-failed", message });
    const last = log.at.seq;
    unlinkSync(file);
    await untilReady(log);
    await log.close();
    assertChained(join(folder, "away"), file);
    const kept = recordsOf(file);
    assert.deepEqual(
      kept.flatMap(({ uid }) => uid ?? []),
      uids,
    );
    const stalled = kept.find(({ kind }) => kind === "stalled");
    assert.ok(stalled.from <= kept[0].seq && stalled.to >= last, JSON.stringify(stalled));
  });

  test("a replacement that others may write to is reported, and its descriptor is closed", async (t) => {
    const log = await open();
    await written(log, 3);
    renameSync(file, join(folder, "away"));
    writeFileSync(file, "", { mode: 0o644 });
    const descriptors = () => readdirSync("/proc/self/fd").map((name) => linkOf(`/proc/self/fd/${name}`));
    assertSentence(t, (await untilFailed(log)).message);
    await sleep(300);
    assert.ok(!descriptors().includes(file));
    unlinkSync(file);
    await untilReady(log);
    await log.close();
  });

  test("the number of lines that wait for a failed sink is bounded", async () => {
    const log = await open({}, { queueBytes: 5_000 });
    await written(log, 3);
    writeFileSync(join(folder, "copy"), readFileSync(file), { mode: 0o640 });
    renameSync(join(folder, "copy"), file);
    await untilFailed(log);
    for (let i = 0; i < 100; i++) assert.throws(() => log.append(CALL), { code: "audit-failed" });
    assert.ok((log.sinks[0]?.waiting ?? 0) < 6_000);
    renameSync(file, join(folder, "copy"));
    await untilReady(log);
    await log.close();
  });

  test("a folder that is removed fails the log closed", async (t) => {
    const log = await open();
    await written(log, 3);
    rmSync(folder, { recursive: true });
    assertSentence(t, (await untilFailed(log)).message);
    await log.close();
  });

  test("a removed file is created again, and its lines are declared missing", async () => {
    const log = await open();
    await written(log, 3);
    unlinkSync(file);
    while (!existsSync(file)) {
      await written(log, 1);
      await sleep(20);
    }
    await written(log, 1);
    await log.close();
    const gap = recordsOf(file).find(({ kind }) => kind === "gap");
    assert.equal(gap.from, 1);
    assert.ok(gap.to >= 4);
  });

  test("lines beyond the queue limit are refused at once", async (t) => {
    const log = await open({}, { queueBytes: 2_000 });
    await assertRefused(t, "audit-failed", () => {
      for (let i = 0; i < 100; i++) log.append(CALL);
    });
    await log.settled();
    await written(log, 1);
    await log.close();
    assertChained(file);
  });

  test("a closed log accepts no lines", async (t) => {
    const log = await open();
    await log.close();
    await assertRefused(t, "audit-failed", () => log.append(CALL));
  });

  test("a file is closed, and its lock released, only after the pending operations", async () => {
    const { descriptor, lock, end } = await openLog(file);
    const output = new FileOutput({ file, descriptor, lock, end, onMoved: () => false, onRemoved() {} });
    let answered = 0;
    const asked = [output.write([{ seq: 1, text: "x", hash: "" }]), output.sync()].map((work) =>
      work.then(() => {
        answered += 1;
      }),
    );
    await output.close();
    assert.equal(answered, 2);
    await Promise.all(asked);
  });
});
