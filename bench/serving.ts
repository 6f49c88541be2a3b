/**
 * npm run bench -- serving: the cost of the sandbox, compared with an echo in the same server and AES-GCM in the same process; cold start;
 * memory; growth over 100,000 calls. Timings are noisy: compare within one run. Takes about three minutes; --quick takes one.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { type Load, line, node, run, summary } from "./callers.ts";
import { median, sum } from "./figures.ts";
import { memoryMiB, treeOf } from "./processes.ts";
import { untilGood } from "./until-good.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 1 : 3;
const ROUND_MS = quick ? 700 : 1500;
const STARTS = quick ? 2 : 5;
const CALLS = quick ? 10_000 : 100_000;
const CALLERS = [1, 16, 64];
const SUBJECTS = [
  { name: "echo", rpc: "Decrypt" },
  { name: "aes", rpc: "Encrypt" },
  { name: "aes", rpc: "Decrypt" },
  { name: "local", rpc: "Status" },
  { name: "local", rpc: "Encrypt" },
  { name: "local", rpc: "Decrypt" },
];

const fixture = new Fixture();
try {
  fixture
    .write(
      localConfig([{ name: "bench", use: "active" }], {
        log: { level: "warn", file: "kleidi.log" },
        status: { interval: "10s" },
      }),
    )
    .keyInit("bench");
  await throughput();
  await coldStart();
  await growth();
} finally {
  await fixture.close();
}

async function throughput(): Promise<void> {
  const host = node("host.ts", fixture.config, fixture.folder);
  await line(host);
  const results = new Map<string, Load[]>();
  // Each round runs all subjects, so that a slow minute of the machine affects all of them.
  for (let round = 0; round < ROUNDS; round++) {
    for (const callers of CALLERS) {
      for (const { name, rpc } of SUBJECTS) {
        const key = `${name} ${rpc} ${callers}`;
        process.stderr.write(`\r\u001b[Kround ${round + 1} of ${ROUNDS}: ${key}`);
        const load = await run(join(fixture.folder, `${name}.sock`), rpc, callers, `${ROUND_MS}ms`);
        results.set(key, [...(results.get(key) ?? []), load]);
      }
    }
  }
  process.stderr.write("\r\u001b[K");
  const rows = CALLERS.flatMap((callers) => {
    const echo = summary(results.get(`echo Decrypt ${callers}`) ?? []);
    return SUBJECTS.map(({ name, rpc }) => {
      const { rps, p50, p99, failures } = summary(results.get(`${name} ${rpc} ${callers}`) ?? []);
      return {
        callers,
        what: `${name} ${rpc}`,
        rps: Math.round(rps),
        "of echo": (rps / echo.rps).toFixed(2),
        "p50 ms": p50.toFixed(3),
        "p50 over echo": (p50 - echo.p50).toFixed(3),
        "p99 ms": p99.toFixed(3),
        failures,
      };
    });
  });
  console.log(
    `Medians of ${ROUNDS} rounds of ${ROUND_MS} ms, 32-byte plaintexts, callers in a second process:`,
  );
  console.table(rows);
  host.kill("SIGKILL");
}

async function coldStart(): Promise<void> {
  const starts: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const begun = performance.now();
    const host = fixture.spawn();
    starts.push((await untilGood(fixture.socket)) - begun);
    await Fixture.stop(host);
  }
  console.log(`Cold start to the first good Status: median of ${STARTS}: ${Math.round(median(starts))} ms`);
}

async function growth(): Promise<void> {
  const host = await fixture.serve();
  const pid = host.pid ?? 0;
  await sleep(500);
  const fresh = measure(pid);
  await run(fixture.socket, "Decrypt", 16, "5000calls");
  await run(fixture.socket, "Encrypt", 16, "2000calls");
  const warm = measure(pid);
  const load = await run(fixture.socket, "Decrypt", 16, `${CALLS}calls`);
  const after = measure(pid);
  console.log(
    `Host, one provider and its standby, before and after ${CALLS} calls (${load.failures} failed):`,
  );
  console.table({ "just started": fresh, "after 7,000 calls": warm, [`after ${CALLS} more`]: after });
  await Fixture.stop(host);
}

/** Resident and proportional memory, summed and each; descriptors; processes. */
function measure(host: number) {
  const pids = treeOf(host);
  const rss = pids.map((pid) => Math.round(memoryMiB([pid], "Rss")));
  return {
    "RSS MiB": sum(rss),
    each: rss.join(" + "),
    "PSS MiB": Math.round(memoryMiB(pids, "Pss")),
    descriptors: sum(pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length)),
    processes: pids.length,
  };
}
