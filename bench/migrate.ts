/**
 * npm run bench -- migrate: rewriting Secrets on a real etcd and kube-apiserver after a rotation: all stale, all current, and the count that
 * proves it. Takes about 2 minutes.
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

const COUNT = process.argv.includes("--quick") ? 500 : 3000;

// Cached: takes no time if it is built already.
const build = join(import.meta.dirname, "..", "test", "e2e", "go", "build.sh");
if (spawnSync("bash", [build], { stdio: ["ignore", "ignore", "inherit"] }).status !== 0) process.exit(1);

const fixture = new Fixture();
const etcd = new Etcd(fixture.folder);
const api = new ApiServer(fixture.folder, etcd, fixture.socket);
const rows: Record<string, object> = {};

async function timed(name: string, work: () => Promise<{ objects: number; changed?: number }>): Promise<void> {
  const from = performance.now();
  const cpu = process.cpuUsage();
  const before = await serverCpu();
  const { objects, changed } = await work();
  const seconds = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const after = await serverCpu();
  rows[name] = { api: (after.api - before.api).toFixed(1), etcd: (after.etcd-before.etcd).toFixed(1), objects, changed, seconds: seconds.toFixed(1), "per second": Math.round(objects / seconds), "own CPU s": ((user + system) / 1e6).toFixed(1) };
  console.log(name, rows[name]);
}

async function serverCpu() {
  const of = (text: string) => Number(/^process_cpu_seconds_total (.*)$/m.exec(text)?.[1]);
  return { api: of((await api.get("/metrics")).body), etcd: of(await (await fetch(`${etcd.url}/metrics`)).text()) };
}

async function pass(workers: number) {
  const client = new ApiClient(readKubeconfig(api.kubeconfig()), workers);
  const tally = new Tally();
  await patchPass({ client, resource: "secrets", workers, pageSize: 500, signal: new AbortController().signal }, tally);
  await client.close();
  return tally;
}

try {
  fixture.write(localConfig([{ name: "kek-1", use: "active" }])).keyInit("kek-1");
  let host = await fixture.serve();
  await etcd.start();
  await api.start();
  const names = Array.from({ length: COUNT }, (_, i) => `s-${i}`);
  const left = names.values();
  const value = "x".repeat(1000);
  await Promise.all(Array.from({ length: 8 }, async () => { for (const name of left) await api.createSecret(name, value); }));
  const rotate = async (active: string, older: string) => {
    fixture.write(localConfig([{ name: active, use: "active" }, { name: older, use: "decrypt" }]));
    if (active === "kek-2" && older === "kek-1") fixture.run("key", "init", "kek-2");
    await Fixture.stop(host);
    host = await fixture.serve();
    await api.stop();
    await api.start();
  };
  let [active, older] = ["kek-2", "kek-1"];
  for (const workers of [4, 8]) {
    await rotate(active, older);
    [active, older] = [older, active];
    await timed(`stale, ${workers} workers`, () => pass(workers));
    await timed(`current, ${workers} workers`, () => pass(workers));
  }
  const client = new ApiClient(readKubeconfig(api.kubeconfig()));
  await timed("count", () => countObjects(client, { resources: ["secrets"], names: undefined }));
  await client.close();
  console.table(rows);
} finally {
  await api.stop();
  await etcd.stop();
  await fixture.close();
}
