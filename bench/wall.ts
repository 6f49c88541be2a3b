/**
 * npm run bench -- wall: the cost of the wall. Three hosts that differ only in their wall, called alternately; the start of a provider's
 * process behind each wall; its memory. Timings are noisy: compare within one run. Takes two minutes; --quick takes one.
 */

import { Child } from "../host/sandbox/child.ts";
import { openWall } from "../host/sandbox/wall/choose.ts";
import { admittedLocal } from "../test/support/admitted-local.ts";
import { wallPrograms } from "../test/support/debian13.ts";
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { type Load, run, summary } from "./callers.ts";
import { median } from "./figures.ts";
import { memoryMiB, treeOf } from "./processes.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 5 : 15;
const ROUND_MS = quick ? 700 : 1500;
const STARTS = quick ? 7 : 21;
const MEMORY = 16 << 20;
const PROCESS = 1280 << 20;
const WALLS = ["none", "bubblewrap", "landlock"] as const;
type Name = (typeof WALLS)[number];

const programs = wallPrograms();
const settings = (wall: Name) => ({ wall, ...(programs !== undefined && { programs }) });

await calls();
await starts();

/** One host per wall; each round calls all of them. */
async function calls(): Promise<void> {
  const fixtures = new Map<Name, Fixture>();
  const results = new Map<string, Load[]>();
  try {
    for (const wall of WALLS) {
      const changes = {
        sandbox: settings(wall),
        log: { level: "warn", file: "kleidi.log" },
        status: { interval: "10s" },
      };
      const fixture = new Fixture();
      fixtures.set(wall, fixture);
      fixture.write(localConfig([{ name: "bench", use: "active" }], changes)).keyInit("bench");
      await fixture.serve();
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const callers of [1, 64]) {
        for (const wall of WALLS) {
          process.stderr.write(`\r\u001b[Kround ${round + 1} of ${ROUNDS}: ${wall}, ${callers} callers`);
          const load = await run(fixtures.get(wall)?.socket ?? "", "Decrypt", callers, `${ROUND_MS}ms`);
          const key = `${wall} ${callers}`;
          results.set(key, [...(results.get(key) ?? []), load]);
        }
      }
    }
  } finally {
    process.stderr.write("\r\u001b[K");
    for (const fixture of fixtures.values()) await fixture.close();
  }
  console.log(`Decrypt with the local provider, medians of ${ROUNDS} rounds of ${ROUND_MS} ms:`);
  console.table(
    [1, 64].flatMap((callers) =>
      WALLS.map((wall) => {
        const loads = results.get(`${wall} ${callers}`) ?? [];
        const { rps, p50, p99, failures } = summary(loads);
        // Round by round: the machine's speed changes between rounds.
        const ratios = loads.map(
          (load, i) => load.p50 / (results.get(`none ${callers}`)?.[i]?.p50 ?? Number.NaN),
        );
        return {
          callers,
          wall,
          rps: Math.round(rps),
          "p50 ms": p50.toFixed(3),
          "p50 of none": median(ratios).toFixed(3),
          "p99 ms": p99.toFixed(2),
          failures,
        };
      }),
    ),
  );
}

/** Measures from the start of a process until its module is loaded; then the memory of the process and of the wall's own process. */
async function starts(): Promise<void> {
  const { bytes, imports, memory } = admittedLocal(MEMORY);
  const times = new Map<Name, number[]>();
  const pss = new Map<Name, number[]>();
  const walls = new Map(
    await Promise.all(WALLS.map(async (name) => [name, await openWall(settings(name), PROCESS)] as const)),
  );
  for (let i = 0; i < STARTS; i++) {
    for (const name of WALLS) {
      const wall = walls.get(name);
      if (wall === undefined) continue;
      const before = performance.now();
      const child = new Child({
        provider: "local",
        module: bytes,
        imports,
        memory,
        memoryBytes: MEMORY,
        processMemoryBytes: PROCESS,
        hostCalls: 64,
        outputBytes: 65_536,
        gate: () => Promise.reject(new Error("no call is made")),
        onStderr: () => {},
        wall,
      });
      await child.loaded;
      times.set(name, [...(times.get(name) ?? []), performance.now() - before]);
      pss.set(name, [...(pss.get(name) ?? []), memoryMiB(treeOf(child.pid ?? 0), "Pss")]);
      child.kill("measured");
      await child.ended;
    }
  }
  const base = { ms: median(times.get("none") ?? []), mib: median(pss.get("none") ?? []) };
  console.log(`A provider's process, medians of ${STARTS} starts:`);
  console.table(
    WALLS.map((name) => {
      const [ms, mib] = [median(times.get(name) ?? []), median(pss.get(name) ?? [])];
      return {
        wall: name,
        "loaded after ms": ms.toFixed(1),
        "over none ms": (ms - base.ms).toFixed(1),
        "PSS MiB": mib.toFixed(1),
        "over none MiB": (mib - base.mib).toFixed(1),
      };
    }),
  );
}
