/**
 * npm run bench -- audited: the cost of the audit log for a serving host: the same host twice, with and without a log, called
 * alternately by the same callers. Takes about a minute.
 */
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { type Load, run, summary } from "./callers.ts";
import { median } from "./figures.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 3 : 9;
const ROUND_MS = quick ? 1000 : 2000;

function host(audit: Record<string, unknown>): Fixture {
  const rest = { log: { level: "warn", file: "kleidi.log" }, status: { interval: "60s" }, ...audit };
  return new Fixture().write(localConfig([{ name: "kek", use: "active" }], rest)).keyInit("kek");
}

const subjects = {
  "no audit log": host({}),
  "audit log in a file": host({ audit: { file: "audit.jsonl" } }),
};
try {
  for (const fixture of Object.values(subjects)) await fixture.serve();
  const rows: Record<string, object> = {};
  for (const callers of [1, 64]) {
    const loads = new Map<string, Load[]>(Object.keys(subjects).map((name) => [name, []]));
    // Alternately, so that other load on the machine affects both.
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, { socket }] of Object.entries(subjects))
        loads.get(name)?.push(await run(socket, "Decrypt", callers, `${ROUND_MS}ms`));
    const [without = [], withLog = []] = loads.values();
    const ratio = median(withLog.map(({ rps }, i) => rps / (without[i]?.rps ?? Number.NaN)));
    for (const [name, each] of loads) {
      const { rps, p50, p99, failures } = summary(each);
      rows[`${name}, ${callers} callers`] = {
        rps: Math.round(rps),
        "p50 ms": p50.toFixed(3),
        "p99 ms": p99.toFixed(3),
        failures,
        "relative to no log": each === withLog ? ratio.toFixed(3) : "1",
      };
    }
  }
  console.log(
    `Decrypt with the local provider, medians of ${ROUNDS} pairs of ${ROUND_MS} ms (target at 64 callers: at least 0.9 of the host without a log):`,
  );
  console.table(rows);
} finally {
  for (const fixture of Object.values(subjects)) await fixture.close();
}
