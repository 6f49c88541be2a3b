/**
 * npm run bench -- floods [--quick]: the effect of each flood on an honest caller's latency and on the host's memory, compared in the same
 * run with the same host without a flood, and with a busy process beside it: with few cores, that alone slows the caller.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../host/grpc/client.ts";
import { freePort } from "../test/support/admin.ts";
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { FLOODS } from "../test/support/floods.ts";
import { line, node } from "./callers.ts";
import { quantile } from "./figures.ts";

const quick = process.argv.includes("--quick");
const SECONDS = quick ? 4 : 10;
const CALM_SECONDS = 10;
const MiB = 1 << 20;

interface Seen {
  readonly times: number[];
  failures: number;
  peak: number;
}

function rss(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Calls one RPC after another like an API server; records the caller's latency and the host's memory meanwhile. */
async function honest(pid: number, seconds: number): Promise<Seen> {
  const seen: Seen = { times: [], failures: 0, peak: rss(pid) };
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const at = performance.now();
    await client.encrypt({ plaintext: new Uint8Array(32) }).catch(() => {
      seen.failures += 1;
    });
    seen.times.push(performance.now() - at);
    seen.peak = Math.max(seen.peak, rss(pid));
    await sleep(5);
  }
  return seen;
}

function row({ times, failures, peak }: Seen, before: number, after: number, lines: number) {
  const ms = (q: number) => Number(quantile(times, q).toFixed(1));
  const mib = (bytes: number) => Math.round(bytes / MiB);
  return {
    calls: times.length,
    failed: failures,
    "p50 ms": ms(0.5),
    "p99 ms": ms(0.99),
    "max ms": ms(1),
    "RSS before": mib(before),
    "grows by": mib(peak - before),
    "10 s after": mib(after - before),
    "log lines": lines,
  };
}

const port = await freePort();
const fixture = new Fixture();
fixture.write(
  localConfig([{ name: "kek", use: "active" }], {
    admin: { listen: `127.0.0.1:${port}` },
    log: { level: "info", file: "kleidi.log" },
  }),
);
fixture.keyInit("kek");
const host = await fixture.serve();
const pid = host.pid ?? 0;
const client = new KmsClient(fixture.socket);
const rows: Record<string, ReturnType<typeof row>> = {};

async function measure(name: string, beside: () => ChildProcess | undefined): Promise<void> {
  const logged = fixture.readLog().split("\n").length;
  const before = rss(pid);
  const other = beside();
  if (other?.stdout != null) await line(other);
  const seen = await honest(pid, SECONDS);
  if (other !== undefined && other.exitCode === null) {
    const ended = new Promise((resolve) => other.once("exit", resolve));
    other.kill("SIGKILL");
    await ended;
  }
  await sleep(CALM_SECONDS * 1000);
  rows[name] = row(seen, before, rss(pid), fixture.readLog().split("\n").length - logged);
  console.log(name, JSON.stringify(rows[name]));
}

try {
  // Allocates beforehand what the host needs in any case.
  await honest(pid, 3);
  await measure("nothing", () => undefined);
  await measure("a busy processor", () => spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }));
  for (const name of Object.keys(FLOODS)) {
    if (host.exitCode !== null || host.signalCode !== null)
      throw new Error(`the host exited: ${host.exitCode}`);
    await measure(name, () => node("flood.ts", fixture.socket, String(port), String(SECONDS + 2), name));
  }
  console.table(rows);
  console.log(`Descriptors of the host at the end: ${readdirSync(`/proc/${pid}/fd`).length}.`);
  console.log(
    "Target: p99 under 50 ms, memory grows by at most 64 MiB and shrinks again within 10 s, each flood is in the log once.",
  );
} finally {
  client.close();
  await Fixture.stop(host);
  await fixture.close();
}
