/**
 * The cost of the audit log: lines written through it to a file, compared with plain pino to a file; and the speed and memory of
 * "kleidi audit verify". With --large, verify reads 1 GB instead of 200 MB.
 */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { Chain, ZERO_HASH } from "../host/audit/chain.ts";
import { createKey } from "../host/audit/key-file.ts";
import { AuditLog } from "../host/audit/log.ts";
import type { Entry } from "../host/audit/record.ts";
import { verify } from "../host/audit/verify.ts";
import { median } from "./figures.ts";

const ROUNDS = process.argv.includes("--quick") ? 5 : 15;
const LINES = 20_000;
const CALLERS = 64;
const BYTES = process.argv.includes("--large") ? 1e9 : 2e8;
const CALL: Entry = {
  kind: "host_call",
  uid: "3f1d2c5e-8f3e-4c55-9d9a-0f9e8d7c6b5a",
  rpc: "decrypt",
  provider: "vault",
  module: "ab".repeat(32),
  capability: "net",
  operation: "request",
  target: "https://vault.example:8200/v1/transit/decrypt/kek",
  decision: "allowed",
  rule: "grants.net[0]",
  request_bytes: 120,
  reply_bytes: 240,
  ms: 1.234,
  outcome: "ok",
};

const folder = mkdtempSync(join(tmpdir(), "kleidi-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

interface Cost {
  /** µs per line, in each round: elapsed time, and processor time including the writing threads. */
  readonly time: number[];
  readonly cpu: number[];
}

async function measure(work: (lines: number) => Promise<void>): Promise<Cost> {
  await work(LINES);
  const cost: Cost = { time: [], cpu: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    const before = process.cpuUsage();
    await work(LINES);
    const { user, system } = process.cpuUsage(before);
    cost.time.push(((performance.now() - begun) * 1000) / LINES);
    cost.cpu.push((user + system) / LINES);
  }
  return cost;
}

async function audited(name: string, checkpoints: boolean): Promise<Cost> {
  const key = join(folder, "key");
  const log = await AuditLog.open(
    {
      file: join(folder, name),
      stdout: false,
      ...(checkpoints ? { checkpoints: { key, lines: 1000, intervalMs: 60_000 } } : {}),
    },
    { queueBytes: 67_108_864 },
  );
  const cost = await measure(async (lines) => {
    // As many callers as wait for their line concurrently.
    for (let i = 0; i < lines; i += CALLERS) {
      for (let caller = 0; caller < CALLERS; caller++) log.append(CALL);
      await log.settled();
    }
  });
  await log.close();
  return cost;
}

async function plain(sync: boolean): Promise<Cost> {
  const destination = pino.destination({ dest: join(folder, `pino-${sync}`), sync });
  const log = pino({ base: null }, destination);
  const cost = await measure(async (lines) => {
    for (let i = 0; i < lines; i++) log.info(CALL);
    if (!sync) await new Promise((resolve) => destination.flush(resolve));
  });
  destination.end();
  return cost;
}

createKey(join(folder, "key"));
const rows: Record<string, object> = {};
for (const [name, { time, cpu }] of [
  ["pino, a write for each line", await plain(true)],
  ["pino, written in the background", await plain(false)],
  ["audit log, 64 callers wait", await audited("plain", false)],
  ["audit log with checkpoints", await audited("signed", true)],
] as const) {
  rows[name] = {
    "µs per line": median(time).toFixed(2),
    "of processor time": median(cpu).toFixed(2),
    "lines/s": Math.round(1e6 / median(time)),
  };
}
console.log(`Lines to a file, medians of ${ROUNDS} rounds of ${LINES}:`);
console.table(rows);

const file = join(folder, "large");
makeLarge(file);
const before = process.memoryUsage().rss;
const begun = performance.now();
const { lines, fault } = verify([file], { keys: [] });
const seconds = (performance.now() - begun) / 1000;
if (fault !== undefined) throw new Error(`the log is not intact: ${fault.why}`);
console.log(
  `verify of ${Math.round(BYTES / 1e6)} MB (target: 200 MB/s or 300,000 lines/s, constant memory):`,
);
console.table({
  verify: {
    "MB/s": Math.round(BYTES / 1e6 / seconds),
    "lines/s": Math.round(lines / seconds),
    "RSS before, MB": before >> 20,
    "RSS after, MB": process.memoryUsage().rss >> 20,
  },
});

/** Writes a real chain of this many bytes. */
function makeLarge(path: string): void {
  const chain = new Chain({ chain: "0123456789abcdef", seq: 0, hash: ZERO_HASH });
  const time = new Date().toISOString();
  const descriptor = openSync(path, "w");
  writeSync(descriptor, `${chain.next({ kind: "genesis" }, time).text}\n`);
  while (statSync(path).size < BYTES) {
    let text = "";
    for (let i = 0; i < 5000; i++) text += `${chain.next(CALL, time).text}\n`;
    writeSync(descriptor, text);
  }
  closeSync(descriptor);
}
