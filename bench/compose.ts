/**
 * npm run bench -- compose: a composed key beside its members alone, each in a host of its own on the same OpenBao and TPM simulators, one
 * call after another, in turns. The ratio is to the slower member. "far": each request to OpenBao takes 20 ms more, as to one that is not on
 * this machine; without it, calls cost processor time only, which members share. Takes about two minutes.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../host/grpc/client.ts";
import { composedNode, LOCAL_PART, TPM_PART, VAULT_PART } from "../test/support/composed-node.ts";
import type { Fixture } from "../test/support/fixture.ts";
import { OpenBao } from "../test/support/openbao.ts";
import { Setup } from "../test/support/openbao-setup.ts";
import { Swtpm } from "../test/support/swtpm.ts";
import { Front } from "../test/support/vault-front.ts";
import { median } from "./figures.ts";

const ROUNDS = process.argv.includes("--quick") ? 40 : 300;
const plaintext = new Uint8Array(32).fill(7);

// Cached: takes no time if it is built already.
const build = join(import.meta.dirname, "..", "test", "openbao", "build.sh");
if (spawnSync("bash", [build], { stdio: ["ignore", "ignore", "inherit"] }).status !== 0) process.exit(1);

type Part = typeof VAULT_PART | typeof TPM_PART | typeof LOCAL_PART;

interface Vault {
  readonly origin: string;
  readonly token: string;
}

interface Subject {
  readonly name: string;
  readonly client: KmsClient;
  readonly sealed: Awaited<ReturnType<KmsClient["encrypt"]>>;
  readonly ms: { readonly Encrypt: number[]; readonly Decrypt: number[] };
}

const FAR_MS = 20;
const bao = await OpenBao.dev();
const far = await Front.start(bao.url);
far.interfere = async () => {
  await sleep(FAR_MS);
  return false;
};
const tpms: Swtpm[] = [];
const fixtures: Fixture[] = [];
try {
  const setup = new Setup(bao);
  await setup.kek();
  const token = await setup.token({ policies: ["kek"] });
  for (const mode of ["anyOf", "allOf"] as const)
    for (const other of [LOCAL_PART, TPM_PART])
      for (const origin of [bao.url, far.origin]) await compare(mode, [VAULT_PART, other], { origin, token });
} finally {
  for (const fixture of fixtures) await fixture.close();
  for (const tpm of tpms) await tpm.stop();
  await far.stop();
  await bao.stop();
}

async function compare(mode: "anyOf" | "allOf", parts: readonly Part[], vault: Vault): Promise<void> {
  const where = vault.origin === far.origin ? " (far)" : "";
  const name = `${mode} of ${parts.map((part) => part.provider).join(" and ")}${where}`;
  const alone = parts.map((part) => ({ name: part.provider, keys: [{ ...part, use: "active" }] }));
  const key = { name: "both", [mode]: parts.map((part) => part.name), use: "active" };
  const subjects: Subject[] = [];
  for (const each of [...alone, { name, keys: [key, ...parts] }]) subjects.push(await open(each, vault));
  for (let round = 0; round < ROUNDS; round++) for (const subject of subjects) await measure(subject);
  const rows: Record<string, object> = {};
  for (const rpc of ["Encrypt", "Decrypt"] as const) {
    const medians = subjects.map(({ ms }) => median(ms[rpc]));
    const slower = Math.max(...medians.slice(0, -1));
    for (const [i, { name }] of subjects.entries())
      rows[`${rpc}, ${name}`] = {
        "p50 ms": medians[i]?.toFixed(2),
        "to the slower member": ((medians[i] ?? 0) / slower).toFixed(2),
      };
  }
  console.table(rows);
  for (const { client } of subjects) client.close();
}

async function open(
  {
    name,
    keys,
  }: { readonly name: string; readonly keys: readonly (Record<string, unknown> & { provider?: string })[] },
  vault: Vault,
): Promise<Subject> {
  const hasTpm = keys.some(({ provider }) => provider === "tpm");
  const tpm = hasTpm ? await Swtpm.start("unix") : undefined;
  if (tpm !== undefined) tpms.push(tpm);
  const fixture = composedNode({ ...vault, device: tpm?.device ?? "", keys });
  fixtures.push(fixture);
  fixture.write(fixture.readConfig().replace('"level":"debug"', '"level":"warn"').replace('"1s"', '"60s"'));
  for (const { name, provider } of keys)
    if (provider === "tpm" || provider === "local") fixture.keyInit(String(name));
  await fixture.serve();
  const client = new KmsClient(fixture.socket);
  return { name, client, sealed: await client.encrypt({ plaintext }), ms: { Encrypt: [], Decrypt: [] } };
}

async function measure({ client, sealed, ms }: Subject): Promise<void> {
  for (const [rpc, work] of [
    ["Encrypt", () => client.encrypt({ plaintext })],
    ["Decrypt", () => client.decrypt(sealed)],
  ] as const) {
    const start = performance.now();
    await work();
    ms[rpc].push(performance.now() - start);
  }
}
