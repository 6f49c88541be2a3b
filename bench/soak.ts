/**
 * npm run bench -- soak --minutes=20: every flood at once, for this long, beside an honest caller; the host's resources before, during and
 * ten seconds after. Runs only if named.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../host/grpc/client.ts";
import { ask, freePort } from "../test/support/admin.ts";
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { FLOODS } from "../test/support/floods.ts";
import { samplesOf, total } from "../test/support/promtool.ts";
import { line, node } from "./callers.ts";
import { quantile } from "./figures.ts";

const [, minutes = "1"] =
  /^--minutes=(\d+)$/.exec(process.argv.find((one) => one.startsWith("--min")) ?? "") ?? [];
const END = performance.now() + Number(minutes) * 60_000;

const port = await freePort();
const admin = `127.0.0.1:${port}`;
const fixture = new Fixture();
const log = { level: "info", file: "kleidi.log" };
fixture.write(localConfig([{ name: "kek", use: "active" }], { admin: { listen: admin }, log }));
fixture.keyInit("kek");
const host = await fixture.serve();
const pid = host.pid ?? 0;
const client = new KmsClient(fixture.socket);

/** The host's current resources. Timers as its own metrics count them; absent if the flood blocked the scrape. */
async function held() {
  const rss = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean),
  );
  const text = await ask(admin, "/metrics").then(
    (answer) => answer.text,
    () => "",
  );
  const timers =
    text === "" ? undefined : total(samplesOf(text), "nodejs_active_resources", { type: "Timeout" });
  return {
    "RSS MiB": Math.round(rss),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    processes: children.length,
    timers,
    connections: text === "" ? undefined : total(samplesOf(text), "kleidi_connections"),
  };
}

const rows: Record<string, Awaited<ReturnType<typeof held>> & Record<string, unknown>> = {};
async function sample(when: string, times: number[], failures: number): Promise<void> {
  const p99 = times.length === 0 ? undefined : Number(quantile(times, 0.99).toFixed(1));
  rows[when] = { ...(await held()), calls: times.length, failed: failures, "p99 ms": p99 };
  console.log(when, JSON.stringify(rows[when]));
}

/** One minute of an honest caller's calls. */
async function minute(): Promise<{ times: number[]; failures: number }> {
  const times: number[] = [];
  let failures = 0;
  const end = Math.min(performance.now() + 60_000, END);
  while (performance.now() < end) {
    const at = performance.now();
    await client.encrypt({ plaintext: new Uint8Array(32) }).catch(() => {
      failures += 1;
    });
    times.push(performance.now() - at);
    await sleep(10);
  }
  return { times, failures };
}

try {
  for (let i = 0; i < 200; i++) await client.encrypt({ plaintext: new Uint8Array(32) });
  await sample("before", [], 0);
  const seconds = Math.ceil((END - performance.now()) / 1000);
  const attacker = node("flood.ts", fixture.socket, String(port), String(seconds), ...Object.keys(FLOODS));
  await line(attacker);
  for (let i = 1; performance.now() < END; i++) {
    const { times, failures } = await minute();
    await sample(`minute ${i}`, times, failures);
  }
  attacker.kill("SIGKILL");
  await sleep(10_000);
  await sample("10 s after", [], 0);
  console.table(rows);
  const told = fixture
    .readLog()
    .split("\n")
    .filter((text) => text.includes('"listener":'));
  console.log(`Lines of the log about limits: ${told.length}; at most one a minute per kind.`);
} finally {
  client.close();
  await Fixture.stop(host);
  await fixture.close();
}
