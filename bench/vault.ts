/**
 * npm run bench -- vault: the vault provider on a real OpenBao, compared with a plain fetch loop to the same server and a typical Go
 * plugin (test/openbao/cmd/vaultpeer) with the same callers. Also counts the server requests of each RPC. Takes about a minute.
 */
import { KmsClient } from "../host/grpc/client.ts";
import type { Fixture } from "../test/support/fixture.ts";
import { OpenBao } from "../test/support/openbao.ts";
import { Setup } from "../test/support/openbao-setup.ts";
import { Front } from "../test/support/vault-front.ts";
import { vaultNode } from "../test/support/vault-node.ts";
import { VaultPeer } from "../test/support/vaultpeer.ts";
import { buildGo } from "./build-go.ts";
import { type Load, line, node, run, summary } from "./callers.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 1 : 3;
const ROUND_MS = quick ? 1000 : 2000;

buildGo("test/openbao");

const bao = await OpenBao.dev();
const fixtures: Fixture[] = [];
try {
  const setup = new Setup(bao);
  await setup.kek();
  const token = await setup.token({ policies: ["kek"] });
  const quiet = { rest: { log: { level: "warn", file: "kleidi.log" } } };
  const fixture = vaultNode({ origin: bao.url, token, interval: "60s", ...quiet });
  fixtures.push(fixture);
  await fixture.serve();
  await latency(fixture, token);
  await counts(token);
} finally {
  for (const fixture of fixtures) await fixture.close();
  await bao.stop();
}

async function latency(fixture: Fixture, token: string): Promise<void> {
  const peer = await VaultPeer.start(bao, { key: "kek", token });
  const { socket } = peer;
  try {
    const rows: Record<string, object> = {};
    for (const callers of [1, 16, 64]) {
      const subjects = {
        "fetch, no plugin: Decrypt": () =>
          plain(["fetch.ts", bao.url, "kek", token, String(callers), String(ROUND_MS)]),
        "kleidí Decrypt": () => run(fixture.socket, "Decrypt", callers, `${ROUND_MS}ms`),
        "Go peer Decrypt": () => run(socket, "Decrypt", callers, `${ROUND_MS}ms`),
        "kleidí Encrypt": () => run(fixture.socket, "Encrypt", callers, `${ROUND_MS}ms`),
        "Go peer Encrypt": () => run(socket, "Encrypt", callers, `${ROUND_MS}ms`),
      };
      const loads: Record<string, Load[]> = {};
      for (let round = 0; round < ROUNDS; round++)
        for (const [name, work] of Object.entries(subjects))
          loads[name] = [...(loads[name] ?? []), await work()];
      const base = summary(loads["fetch, no plugin: Decrypt"] ?? []);
      for (const [name, each] of Object.entries(loads)) {
        const { rps, p50, p99, failures } = summary(each);
        rows[`${name}, ${callers} callers`] = {
          rps: Math.round(rps),
          "p50 ms": p50.toFixed(3),
          "p99 ms": p99.toFixed(3),
          "p50 over fetch": (p50 - base.p50).toFixed(3),
          "p99 over fetch": (p99 - base.p99).toFixed(3),
          failures,
        };
      }
    }
    console.log(
      `Medians of ${ROUNDS} rounds of ${ROUND_MS} ms (target at one caller: Decrypt over fetch at most 0.8 ms p50, 5 ms p99; at 64: the peer's Decrypts per second):`,
    );
    console.table(rows);
  } finally {
    await peer.stop();
  }
}

async function plain([file = "", ...args]: string[]): Promise<Load> {
  return JSON.parse(await line(node(file, ...args)));
}

/** Counts the server requests of one RPC of each kind, through a proxy. */
async function counts(token: string): Promise<void> {
  const front = await Front.start(bao.url);
  const fixture = vaultNode({ origin: front.origin, token, interval: "60s" });
  fixtures.push(fixture);
  await fixture.serve();
  const client = new KmsClient(fixture.socket);
  const plaintext = new Uint8Array(32).fill(7);
  const sealed = await client.encrypt({ plaintext });
  const asked = async (work: () => Promise<unknown>) => {
    const before = front.heard.length;
    for (let i = 0; i < 10; i++) await work();
    return (front.heard.length - before) / 10;
  };
  console.log("Requests to the server per RPC (target: 0, 2 with the read-back, 1):");
  console.table({
    Status: { requests: await asked(() => client.status()) },
    Encrypt: { requests: await asked(() => client.encrypt({ plaintext })) },
    Decrypt: { requests: await asked(() => client.decrypt(sealed)) },
  });
  client.close();
  await front.stop();
}
