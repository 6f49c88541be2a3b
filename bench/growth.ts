/**
 * npm run bench -- growth: the memory of all processes of a host with 1, 4 and 16 local providers, with and without standby processes, at
 * rest; and with one provider after 100,000 calls, at once and at rest again. Takes five minutes; --quick takes three.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Fixture, localConfig, localModule, sha256Of } from "../test/support/fixture.ts";
import { untilWell } from "../test/support/until-well.ts";
import { run } from "./callers.ts";
import { memoryMiB, treeOf } from "./processes.ts";

const quick = process.argv.includes("--quick");
const COUNTS = quick ? [1, 4] : [1, 4, 16];
const CALLS = quick ? 20_000 : 100_000;
const CALLERS = 64;
/** Two intervals of host/sandbox/idle-memory.mjs: then memory that is not needed is given back. */
const REST_MS = 21_000;

interface Memory {
  readonly "PSS MiB": number;
  readonly "USS MiB": number;
  readonly "USS of the host": number;
  readonly processes: number;
}

const rows: Record<string, Memory> = {};
for (const count of COUNTS) for (const standby of [false, true]) await measureHost(count, standby);
console.table(rows);

async function measureHost(count: number, standby: boolean): Promise<void> {
  const fixture = fixtureOf(count, standby);
  try {
    const { pid = 0 } = await fixture.serve();
    const name = `${count} providers, standby ${standby}`;
    // Each has Node, and behind bubblewrap two more processes.
    const guests = () => treeOf(pid).filter((each) => memoryMiB([each], "Rss") > 30).length - 1;
    await untilWell(async () => {
      if (guests() < count * (standby ? 2 : 1)) throw new Error(`${guests()} processes of providers`);
    });
    await sleep(REST_MS);
    rows[name] = memoryOf(pid);
    if (count > 1 || standby) return;
    await run(fixture.socket, "Decrypt", CALLERS, `${CALLS}calls`);
    rows[`${name}, after ${CALLS} calls`] = memoryOf(pid);
    await sleep(REST_MS);
    rows[`${name}, ${REST_MS / 1000} s later`] = memoryOf(pid);
  } finally {
    await fixture.close();
  }
}

function fixtureOf(count: number, standby: boolean): Fixture {
  const fixture = new Fixture();
  const keys = Array.from({ length: count }, (_, i) => ({
    name: `kek-${i}`,
    provider: `local-${i}`,
    use: i === 0 ? ("active" as const) : ("decrypt" as const),
  }));
  const providers = Object.fromEntries(
    keys.map(({ name, provider }) => [
      provider,
      {
        module: localModule,
        sha256: sha256Of(localModule),
        grants: { keystore: { keys: [name] } },
        limits: { standby },
      },
    ]),
  );
  const quiet = { log: { level: "warn", file: "kleidi.log" }, status: { interval: "60s" } };
  fixture.write(localConfig(keys, { ...quiet, providers }));
  for (const { name } of keys) fixture.keyInit(name);
  return fixture;
}

function memoryOf(host: number): Memory {
  const pids = treeOf(host);
  return {
    "PSS MiB": Math.round(memoryMiB(pids, "Pss")),
    "USS MiB": Math.round(memoryMiB(pids, "Uss")),
    "USS of the host": Math.round(memoryMiB([host], "Uss")),
    processes: pids.length,
  };
}
