/**
 * npm run bench -- clouds: one signature of AWS; the providers of the clouds on their stand-ins, beside plain requests to the same servers; and the
 * CPU time of a Decrypt beside the vault provider's on a real OpenBao. Takes about two minutes.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Signer } from "../host/capabilities/net/login/aws/signer.ts";
import { Secret } from "../host/lib/secret.ts";
import { FakeAws } from "../test/support/aws/aws.ts";
import { awsNode, staticKeys } from "../test/support/aws-node.ts";
import { FakeAzure } from "../test/support/azure/azure.ts";
import { machineOf as azureMachine, azureNode } from "../test/support/azure-node.ts";
import type { Fixture } from "../test/support/fixture.ts";
import { FakeGcp } from "../test/support/gcp/gcp.ts";
import { machineOf as gcpMachine, gcpNode } from "../test/support/gcp-node.ts";
import type { Listener } from "../test/support/listener.ts";
import { OpenBao } from "../test/support/openbao.ts";
import { Setup } from "../test/support/openbao-setup.ts";
import { vaultNode } from "../test/support/vault-node.ts";
import { type Load, line, node, run, summary } from "./callers.ts";
import { median } from "./figures.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 1 : 3;
const ROUND_MS = quick ? 1000 : 2000;
const SIGNATURES = 20_000;

// Cached: takes no time if it is built already.
const build = join(import.meta.dirname, "..", "test", "openbao", "build.sh");
if (spawnSync("bash", [build], { stdio: ["ignore", "ignore", "inherit"] }).status !== 0) process.exit(1);

signatures();
const quiet = { log: { level: "warn", file: "kleidi.log" }, status: { interval: "60s" } };
const [aws, gcp, azure] = [await FakeAws.start(), await FakeGcp.start(), await FakeAzure.start()];
const bao = await OpenBao.dev();
const fixtures: Fixture[] = [];
try {
  const [user, key] = [aws.user("bench"), aws.kms.create().arn];
  const host = awsNode({ aws, key, ...staticKeys(user), rest: quiet });
  const setup = new Setup(bao);
  await setup.kek();
  const token = await setup.token({ policies: ["kek"] });
  const other = vaultNode({ origin: bao.url, token, interval: "60s", rest: { log: quiet.log } });
  const google = gcpNode({ gcp, key: gcp.kms.create().name, ...gcpMachine(gcp), rest: quiet });
  const microsoft = azureNode({ azure, key: azure.vault.create().name, ...azureMachine(azure), rest: quiet });
  const hosts = { aws: host, gcp: google, azure: microsoft, vault: other };
  fixtures.push(...Object.values(hosts));
  const pids: Record<string, readonly [Fixture, number]> = {};
  for (const [name, each] of Object.entries(hosts)) pids[name] = [each, (await each.serve()).pid ?? 0];
  const plain = (callers: number) =>
    node(
      "signed.ts",
      aws.at.kms.origin,
      key,
      user.accessKeyId,
      user.secretAccessKey,
      String(callers),
      String(ROUND_MS),
    );
  await latency("aws", host, plain);
  await latency("gcp", google, await replaying(google, gcp.at.kms, ":decrypt"));
  await latency(
    "azure",
    microsoft,
    await replaying(microsoft, azure.at.vault, "/unwrapkey", azure.authority.file),
  );
  await cpu(pids);
} finally {
  for (const fixture of fixtures) await fixture.close();
  await aws.close();
  await gcp.close();
  await azure.close();
  await bao.stop();
}

/** The last Decrypt of a host as a plain request. */
async function replaying(host: Fixture, server: Listener, end: string, ca?: string) {
  await run(host.socket, "Decrypt", 1, "200ms");
  const { method, path, query, headers, body } =
    server.requests.findLast((each) => each.path.endsWith(end)) ?? assert.fail("it sent none");
  const { "content-length": _, host: __, connection: ___, ...rest } = headers;
  const url = `${server.origin}${path}${query.size === 0 ? "" : `?${query}`}`;
  const request = JSON.stringify({ url, method, headers: rest, body: body.toString("base64"), ca });
  return (callers: number) => node("replay.ts", request, String(callers), String(ROUND_MS));
}

function signatures(): void {
  const keys = {
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: Secret.of("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    sessionToken: Secret.of("t".repeat(800)),
  };
  const signer = new Signer(keys, { region: "eu-central-1", service: "kms" });
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "TrentService.Decrypt" };
  const request = { method: "POST", path: "/", headers, body: Buffer.alloc(500, 97) };
  const times: number[] = [];
  for (let i = 0; i < SIGNATURES; i++) {
    const begun = performance.now();
    signer.sign(request, "kms.eu-central-1.amazonaws.com", Date.now());
    times.push((performance.now() - begun) * 1000);
  }
  console.log(
    `A signature over a request of 500 bytes with a session token: p50 ${median(times).toFixed(1)} µs`,
  );
}

async function latency(
  cloud: string,
  host: Fixture,
  plain: (callers: number) => ReturnType<typeof node>,
): Promise<void> {
  const rows: Record<string, object> = {};
  for (const callers of [1, 16]) {
    const loads: Record<string, Load[]> = { plain: [], kleidí: [] };
    for (let round = 0; round < ROUNDS; round++) {
      loads.plain?.push(JSON.parse(await line(plain(callers))));
      loads.kleidí?.push(await run(host.socket, "Decrypt", callers, `${ROUND_MS}ms`));
    }
    const base = summary(loads.plain ?? []);
    for (const [name, each] of Object.entries(loads)) {
      const { rps, p50, p99, failures } = summary(each);
      rows[`${name}, ${callers} callers`] = {
        ...{ rps: Math.round(rps), "p50 ms": p50.toFixed(3), "p99 ms": p99.toFixed(3) },
        ...{ "p50 over plain": (p50 - base.p50).toFixed(3), failures },
      };
    }
  }
  console.log(
    `${cloud}: Decrypt, medians of ${ROUNDS} rounds of ${ROUND_MS} ms (target at one caller: at most 0.8 ms over plain):`,
  );
  console.table(rows);
}

/** CPU time of the host and the processes under it, per Decrypt. */
async function cpu(hosts: Readonly<Record<string, readonly [Fixture, number]>>): Promise<void> {
  const rows: Record<string, object> = {};
  const used: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, [fixture, pid]] of Object.entries(hosts)) {
      const before = cpuMs(pid);
      const { calls } = await run(fixture.socket, "Decrypt", 4, `${ROUND_MS}ms`);
      used[name] = [...(used[name] ?? []), (cpuMs(pid) - before) / calls];
    }
  }
  for (const [name, each] of Object.entries(used))
    rows[name] = { "ms of CPU per Decrypt": median(each).toFixed(3) };
  console.log("CPU per Decrypt with 4 callers (target: at most 1.5 × vault):");
  console.table(rows);
}

/** Of a process and all under it, in milliseconds. The kernel counts in hundredths of a second (proc(5)). */
function cpuMs(pid: number): number {
  const fields = (id: string) =>
    readFileSync(`/proc/${id}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const parents = new Map<string, string>();
  for (const id of all) {
    try {
      parents.set(id, fields(id)[1] ?? "");
    } catch {
      // It has just ended.
    }
  }
  const isUnder = (id: string): boolean =>
    id === String(pid) || (parents.has(id) && id !== "1" && isUnder(parents.get(id) ?? ""));
  const ticks = [...parents.keys()].filter(isUnder).map((id) => {
    const stat = fields(id);
    return Number(stat[11]) + Number(stat[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) * 10;
}
