/** Real faults of disks, pipes, permissions and processes under a process that appends to an audit log. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  createWriteStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AuditSettings } from "../../host/audit/options.ts";
import { verify } from "../../host/audit/verify.ts";
import { root } from "../support/fixture.ts";

const NODE = join(root, "host/kleidi-node");
const APPENDER = join(root, "test/support/audit-appender.ts");
const NOBODY = 65_534;

let folder: string;
let file: string;
let running: Appender[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
  file = join(folder, "audit.jsonl");
});
afterEach(async () => {
  for (const appender of running) await appender.kill();
  running = [];
  spawnSync("umount", [folder]);
  rmSync(folder, { recursive: true, force: true });
});

interface AppenderMessage {
  readonly seq?: number;
  readonly error?: string;
}

class Appender {
  readonly process: ChildProcess;
  /** The last sequence that was reported as recorded. */
  acknowledged = 0;
  said: AppenderMessage[] = [];

  constructor(settings: AuditSettings, more: object = {}) {
    this.process = spawn("sh", [NODE, APPENDER, JSON.stringify({ settings, ...more })], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    this.process.on("message", (message: AppenderMessage) => {
      this.said.push(message);
      this.acknowledged = message.seq ?? this.acknowledged;
    });
    running.push(this);
  }

  /** Waits for a matching message that arrives from now on. */
  async until(wanted: (message: AppenderMessage) => boolean): Promise<AppenderMessage> {
    this.said = [];
    for (;;) {
      const found = this.said.find(wanted);
      if (found !== undefined) return found;
      if (this.ended)
        throw new Error(`the appender ended (${this.process.exitCode ?? this.process.signalCode})`);
      await sleep(5);
    }
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  async stop(): Promise<void> {
    this.process.send("stop");
    if (!this.ended) await once(this.process, "exit");
    assert.equal(this.process.exitCode, 0);
  }

  async kill(): Promise<void> {
    if (this.ended) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }
}

const accepted = ({ seq }: AppenderMessage) => seq !== undefined;
const refused = ({ error }: AppenderMessage) => error !== undefined;
const filesOf = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith("audit.jsonl"))
    .map((name) => join(folder, name));
const recordsOf = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));

/**
 * Asserts that every line is there and unchanged, at least up to `to`.
 * @param isKilled the host may have been killed in the middle of the last line, which was not acknowledged
 */
function assertIntact(to: number, isKilled = false): void {
  const { fault, gaps, intactTo = 0, first } = verify(filesOf(), { keys: [] });
  assert.deepEqual([isKilled && fault?.kind === "torn" ? undefined : fault, gaps, first], [undefined, [], 1]);
  assert.ok(intactTo >= to, `${to} was acknowledged, the log is intact to ${intactTo}`);
}

test("a full disk stops service, leaves complete lines only, and is recorded once there is room", async (t) => {
  mountSmall(folder);
  const ballast = join(folder, "ballast");
  writeFileSync(ballast, Buffer.alloc(400_000));
  const appender = new Appender({ file, stdout: false }, { burst: 20 });
  const { error } = await appender.until(refused);
  t.assert.snapshot((error ?? "").replaceAll(folder, "FOLDER"));
  // it keeps trying, and leaves a valid chain each time
  for (let i = 0; i < 5; i++) {
    await appender.until(refused);
    // an attempt in progress may be visible
    const { acknowledged } = appender;
    let verdict = verify([file], { keys: [] });
    while (verdict.fault?.kind === "torn") {
      await sleep(1);
      verdict = verify([file], { keys: [] });
    }
    assert.equal(verdict.fault, undefined);
    assert.ok((verdict.intactTo ?? 0) >= acknowledged);
  }
  rmSync(ballast);
  await appender.until(accepted);
  await appender.stop();
  assertIntact(appender.acknowledged);
  const stalled = recordsOf(file).find(({ kind }) => kind === "stalled");
  assert.equal(stalled.error, "ENOSPC");
});

test("a host that is killed at any time loses no acknowledged line", async () => {
  for (let i = 0; i < 5; i++) {
    const appender = new Appender({ file, stdout: false }, { burst: 50 });
    await appender.until(accepted);
    await sleep(Math.random() * 50);
    await appender.kill();
    assertIntact(appender.acknowledged, true);
  }
  assert.equal(recordsOf(file).filter(({ kind }) => kind === "start").length, 5);
});

test("a host that is killed in the middle of a line continues after the complete ones and records the torn one", async () => {
  const settings = { file, stdout: false };
  const torn = await killInTheMiddle(settings);
  const appender = new Appender(settings);
  await appender.until(accepted);
  await appender.stop();
  assertIntact(appender.acknowledged);
  assert.ok(recordsOf(file).some(({ kind, bytes }) => kind === "torn" && bytes === torn));
});

/**
 * Kills the process while many writes of a megabyte are growing the file. A write stops at the next page, which is usually in the
 * middle of a line. @returns the length of the torn line
 */
async function killInTheMiddle(settings: AuditSettings): Promise<number> {
  for (let i = 0; i < 30; i++) {
    const dying = new Appender(settings, { burst: 40_000, options: { queueBytes: 67_108_864 } });
    await dying.until(accepted);
    const { size } = statSync(file);
    while (statSync(file).size === size);
    await dying.kill();
    assert.ok((verify([file], { keys: [] }).intactTo ?? 0) >= dying.acknowledged);
    const left = statSync(file).size - readFileSync(file).lastIndexOf("\n") - 1;
    if (left > 0) return left;
  }
  assert.fail("no process ended in the middle of a line");
}

test("a lost permission stops service until it is restored", async (t) => {
  asRoot();
  chownSync(folder, NOBODY, NOBODY);
  const appender = new Appender({ file, stdout: false, rotate: { sizeBytes: 5_000 } }, { uid: NOBODY });
  await appender.until(accepted);
  chownSync(folder, 0, 0);
  chmodSync(folder, 0o755);
  const { error } = await appender.until(refused);
  t.assert.snapshot((error ?? "").replaceAll(folder, "FOLDER"));
  chownSync(folder, NOBODY, NOBODY);
  await appender.until(accepted);
  await appender.stop();
  assertIntact(appender.acknowledged);
  assert.ok(filesOf().length > 1);
});

test("stdout without a reader stops service where it is the only sink", async (t) => {
  const appender = new Appender({ stdout: true });
  await appender.until(accepted);
  appender.process.stdout?.destroy();
  const { error } = await appender.until(refused);
  t.assert.snapshot(error);
});

test("stdout without a reader does not stop service where a file is a sink too", async () => {
  const appender = new Appender({ file, stdout: true });
  await appender.until(accepted);
  appender.process.stdout?.destroy();
  const { acknowledged } = appender;
  await appender.until(({ seq = 0 }) => seq > acknowledged + 100);
  await appender.stop();
  assertIntact(appender.acknowledged);
});

test("a stalled reader of stdout blocks no call, and a gap declares the records that it missed", async () => {
  const captured = join(folder, "captured");
  const settings = { file, stdout: true };
  const appender = new Appender(settings, { burst: 100, options: { queueBytes: 100_000 } });
  const { acknowledged } = appender;
  // more than the pipe and the queue can hold together
  await appender.until(({ seq = 0 }) => seq > acknowledged + 5_000);
  const stream = createWriteStream(captured);
  appender.process.stdout?.pipe(stream);
  const isDeclared = () => recordsOf(file).some(({ kind, sink }) => kind === "gap" && sink === "stdout");
  while (!isDeclared()) await appender.until(accepted);
  // A busy machine reads the bursts too slowly, so that the end may be missed again.
  appender.process.send("slow");
  const { intactTo: written = 0 } = verify([file], { keys: [] });
  while ((verify([captured], { keys: [] }).intactTo ?? 0) <= written) await appender.until(accepted);
  await appender.stop();
  if (!stream.writableFinished) await once(stream, "finish");
  assertIntact(appender.acknowledged);
  const { fault, gaps, intactTo } = verify([captured], { keys: [] });
  assert.equal(fault, undefined);
  assert.ok(gaps.length > 0);
  assert.equal(intactTo, verify([file], { keys: [] }).intactTo);
});

/** Signs after so few lines that each fault meets checkpoints. */
function signed(settings: AuditSettings): { settings: AuditSettings; publicKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = join(folder, "signing.key");
  writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return { settings: { ...settings, checkpoints: { key, lines: 20, intervalMs: 1_000 } }, publicKey };
}

const setAside = () => readdirSync(folder).filter((name) => name.startsWith("untrusted-"));

test("a log with a key is never reported as forged, whenever its host is killed, also during a rotation", async () => {
  const { settings, publicKey } = signed({ file, stdout: false, rotate: { sizeBytes: 20_000 } });
  for (let i = 0; i < 12; i++) {
    const appender = new Appender(settings, { burst: 30 });
    await appender.until(accepted);
    if (i % 3 === 0) appender.process.send("rotate");
    await sleep(Math.random() * 50);
    await appender.kill();
    const { fault, gaps, intactTo = 0 } = verify(filesOf(), { keys: [publicKey] });
    if (fault?.kind !== "torn") assert.deepEqual([fault, gaps], [undefined, []]);
    assert.ok(intactTo >= appender.acknowledged);
    assert.deepEqual(setAside(), []);
  }
});

test("a log is signed correctly before, during and after a full disk", async () => {
  mountSmall(folder);
  const { settings, publicKey } = signed({ file, stdout: false });
  const ballast = join(folder, "ballast");
  writeFileSync(ballast, Buffer.alloc(400_000));
  const appender = new Appender(settings, { burst: 30 });
  await appender.until(refused);
  for (let i = 0; i < 5; i++) await appender.until(refused);
  rmSync(ballast);
  await appender.until(accepted);
  await appender.kill();
  const again = new Appender(settings, { burst: 30 });
  await again.until(accepted);
  await again.stop();
  assert.deepEqual(verify(filesOf(), { keys: [publicKey] }).fault, undefined);
  assert.deepEqual(setAside(), []);
});

test("with a key, a sink that missed lines has a gap and is not reported as forged", async () => {
  const captured = join(folder, "captured");
  const { settings, publicKey } = signed({ file, stdout: true });
  const appender = new Appender(settings, { burst: 100, options: { queueBytes: 100_000 } });
  await appender.until(({ seq = 0 }) => seq > 5_000);
  const stream = createWriteStream(captured);
  appender.process.stdout?.pipe(stream);
  const isDeclared = () => recordsOf(file).some(({ kind, sink }) => kind === "gap" && sink === "stdout");
  while (!isDeclared()) await appender.until(accepted);
  // A busy machine reads the bursts too slowly, so that the end may be missed again.
  appender.process.send("slow");
  const { intactTo: written = 0 } = verify([file], { keys: [] });
  while ((verify([captured], { keys: [] }).intactTo ?? 0) <= written) await appender.until(accepted);
  await appender.stop();
  if (!stream.writableFinished) await once(stream, "finish");
  const { fault, gaps } = verify([captured], { keys: [publicKey] });
  assert.equal(fault, undefined);
  assert.ok(gaps.length > 0);
  assert.deepEqual(verify(filesOf(), { keys: [publicKey] }).fault, undefined);
});

test("a file that is rotated many times is one chain", async () => {
  const appender = new Appender({ file, stdout: false, rotate: { sizeBytes: 20_000 } }, { burst: 30 });
  for (let i = 0; i < 10; i++) {
    await appender.until(accepted);
    appender.process.send("rotate");
  }
  await appender.stop();
  assertIntact(appender.acknowledged);
  assert.ok(filesOf().length >= 10);
});

function mountSmall(path: string): void {
  asRoot();
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", path]);
  assert.equal(
    status,
    0,
    `Cannot mount a small tmpfs: ${stderr}. Run the tests where root may mount, or leave this file out: npm test -- host`,
  );
}

function asRoot(): void {
  assert.equal(
    process.getuid?.(),
    0,
    "Cannot take a permission away or mount a small disk: run this test as root",
  );
}
