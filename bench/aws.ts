/**
 * npm run bench -- aws: one signature; the aws provider on the stand-in for AWS, beside plain signed requests to the same server; and the CPU
 * time of a Decrypt beside the vault provider's on a real OpenBao. Takes about a minute.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Signer } from "../host/capabilities/net/login/aws/signer.ts";
import { Secret } from "../host/lib/secret.ts";
import { FakeAws } from "../test/support/aws/aws.ts";
import { awsNode, staticKeys } from "../test/support/aws-node.ts";
import type { Fixture } from "../test/support/fixture.ts";
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
const [aws, bao] = [await FakeAws.start(), await OpenBao.dev()];
const fixtures: Fixture[] = [];
try {
  const [user, key] = [aws.user("bench"), aws.kms.create().arn];
  const host = awsNode({ aws, key, ...staticKeys(user), rest: quiet });
  const setup = new Setup(bao);
  await setup.kek();
  const token = await setup.token({ policies: ["kek"] });
  const other = vaultNode({ origin: bao.url, token, interval: "60s", rest: { log: quiet.log } });
  fixtures.push(host, other);
  const [{ pid = 0 }, { pid: otherPid = 0 }] = [await host.serve(), await other.serve()];
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
  await latency(host, plain);
  await cpu({ aws: [host, pid], vault: [other, otherPid] });
} finally {
  for (const fixture of fixtures) await fixture.close();
  await aws.close();
  await bao.stop();
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

async function latency(host: Fixture, plain: (callers: number) => ReturnType<typeof node>): Promise<void> {
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
    `Decrypt, medians of ${ROUNDS} rounds of ${ROUND_MS} ms (target at one caller: at most 0.8 ms over plain):`,
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
  console.log("CPU per Decrypt with 4 callers (target: aws at most 1.5 × vault):");
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
