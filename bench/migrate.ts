/**
 * npm run bench -- migrate: rewriting Secrets on a real etcd and kube-apiserver after a rotation, again when all are current, and the count that
 * proves it. The CPU time of the three programs for each object does not depend on other work on the machine. Takes about a minute.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ApiClient } from "../host/cluster/api-client.ts";
import { countObjects } from "../host/cluster/count.ts";
import { readKubeconfig } from "../host/cluster/kubeconfig.ts";
import { patchPass } from "../host/migration/patch-pass.ts";
import { Tally } from "../host/migration/tally.ts";
import { ApiServer, Etcd } from "../test/e2e/servers.ts";
import { Fixture, localConfig } from "../test/support/fixture.ts";

const COUNT = process.argv.includes("--quick") ? 500 : 4000;
const WORKERS = 8;

// Cached: takes no time if it is built already.
const build = join(import.meta.dirname, "..", "test", "e2e", "go", "build.sh");
if (spawnSync("bash", [build], { stdio: ["ignore", "ignore", "inherit"] }).status !== 0) process.exit(1);

const fixture = new Fixture();
const etcd = new Etcd(fixture.folder);
const api = new ApiServer(fixture.folder, etcd, fixture.socket);
const rows: Record<string, object> = {};

try {
  fixture.write(localConfig([{ name: "kek-1", use: "active" }])).keyInit("kek-1");
  const host = await fixture.serve();
  await etcd.start();
  await api.start();
  await createSecrets();
  const keys = [
    { name: "kek-2", use: "active" },
    { name: "kek-1", use: "decrypt" },
  ] as const;
  fixture.write(localConfig(keys)).keyInit("kek-2");
  await Fixture.stop(host);
  await fixture.serve();
  // An API server polls once a minute; a restart makes it ask at once.
  await api.stop();
  await api.start();
  await timed("all stale", pass);
  await timed("all current", pass);
  await timed("count", count);
  console.log(`${COUNT} Secrets, ${WORKERS} workers (target: 500 stale ones a second on two cores):`);
  console.table(rows);
} finally {
  await api.stop();
  await etcd.stop();
  await fixture.close();
}

async function createSecrets(): Promise<void> {
  const left = Array.from({ length: COUNT }, (_, i) => `s-${i}`).values();
  const work = async () => {
    for (const name of left) await api.createSecret(name, "x".repeat(1000));
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
}

async function pass(): Promise<number> {
  const client = new ApiClient(readKubeconfig(api.kubeconfig()), WORKERS);
  const { signal } = new AbortController();
  const tally = new Tally();
  await patchPass({ client, resource: "secrets", workers: WORKERS, pageSize: 500, signal }, tally);
  await client.close();
  return tally.changed;
}

async function count(): Promise<number> {
  const client = new ApiClient(readKubeconfig(api.kubeconfig()));
  const { reads } = await countObjects(client, { resources: ["secrets"], names: undefined });
  await client.close();
  return reads.length;
}

/** @param work returns the number of rewritten objects, or of keys */
async function timed(name: string, work: () => Promise<number>): Promise<void> {
  const [from, before, own] = [performance.now(), await serverCpu(), process.cpuUsage()];
  const result = await work();
  const seconds = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(own);
  const after = await serverCpu();
  const each = (cpu: number) => ((cpu * 1000) / COUNT).toFixed(2);
  rows[name] = {
    "a second": Math.round(COUNT / seconds),
    result,
    "API server, CPU ms each": each(after.api - before.api),
    "etcd, CPU ms each": each(after.etcd - before.etcd),
    "kleidi, CPU ms each": each((user + system) / 1e6),
  };
}

async function serverCpu(): Promise<{ api: number; etcd: number }> {
  const seconds = (text: string) => Number(/^process_cpu_seconds_total (.*)$/m.exec(text)?.[1]);
  const ofEtcd = await fetch(`${etcd.url}/metrics`);
  return { api: seconds((await api.get("/metrics")).body), etcd: seconds(await ofEtcd.text()) };
}
