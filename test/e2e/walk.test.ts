/**
 * The key of a cluster moves from a file to a TPM, to OpenBao, and to the last two behind one key, by reloads of one host. The API server
 * reads and writes all the time, and nothing that it is asked for fails. The tests build on each other.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, localModule, sha256Of } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmModule } from "../support/tpm-node.ts";
import { untilWell } from "../support/until-well.ts";
import { allowFor, vaultModule } from "../support/vault-node.ts";
import { ApiServer, Etcd } from "./servers.ts";

requireDebian(["swtpm", "tpm2-tools"]);

interface Key {
  readonly name: string;
  readonly [member: string]: unknown;
}
const FILE: Key = { name: "in-a-file", provider: "local" };
const TPM: Key = { name: "in-a-tpm", provider: "tpm" };
const VAULT: Key = { name: "in-openbao", provider: "vault", settings: { key: "kek" } };
const BOTH: Key = { name: "in-both", anyOf: ["tpm-part", "vault-part"] };
const MEMBERS: readonly Key[] = [
  { name: "tpm-part", provider: "tpm", use: "member" },
  { name: "vault-part", provider: "vault", use: "member", settings: { key: "kek" } },
];

const value = (name: string) => `value-of-${name}`;

describe("from a file to a TPM, to OpenBao, and to both", () => {
  const fixture = new Fixture();
  const etcd = new Etcd(fixture.folder);
  const api = new ApiServer(fixture.folder, etcd, fixture.socket);
  const client = new KmsClient(fixture.socket);
  const names: string[] = [];
  const failures: unknown[] = [];
  let reads = 0;
  let bao: OpenBao;
  let tpm: Swtpm;
  let host: ChildProcess;
  let over = false;
  let traffic: Promise<void>;

  before(async () => {
    [bao, tpm] = await Promise.all([OpenBao.tls(), Swtpm.start("unix")]);
    const setup = new Setup(bao);
    await setup.kek();
    const token = await setup.token({ policies: ["kek"] });
    writeFileSync(join(fixture.folder, "token"), token, { mode: 0o600 });
    mkdirSync(join(fixture.folder, "state"), { mode: 0o700 });
    // Now, because a virtual TPM has one connection, which the host will have.
    use([FILE, "active"], [TPM, "decrypt"], [BOTH, "decrypt"]);
    for (const name of [FILE.name, TPM.name, "tpm-part"]) fixture.keyInit(name);
    use([FILE, "active"]);
    host = await fixture.serve();
    await etcd.start();
    await api.start();
    for (let i = 0; i < 10; i++) await write(`s-${i}`);
    traffic = keepReading();
  });
  after(async () => {
    over = true;
    await traffic;
    client.close();
    await api.stop();
    await etcd.stop();
    await fixture.close();
    await Promise.all([bao.stop(), tpm.stop()]);
  });

  /** Writes a configuration with these keys, and the members if they are needed. */
  function use(...keys: (readonly [key: Key, use: "active" | "decrypt"])[]): void {
    const all = keys.map(([key, use]) => ({ ...key, use }));
    const net = {
      origin: bao.url,
      allow: allowFor("kek"),
      credential: { vault: { auth: "token", file: "token" } },
      tls: { ca: bao.authority.file },
    };
    const providers: Record<string, unknown> = {
      local: provider(localModule, { keystore: { keys: [FILE.name] } }),
      tpm: provider(tpmModule, { tpm: { device: tpm.device }, state: { names: [TPM.name, "tpm-part"] } }),
      vault: provider(vaultModule, { net }),
    };
    const written = [...all, ...(keys.some(([key]) => key === BOTH) ? MEMBERS : [])];
    const used = [...new Set(written.flatMap((key) => ("provider" in key ? [String(key.provider)] : [])))];
    const document = {
      apiVersion: "kleidi.dev/v1",
      listen: { socket: "kms.sock" },
      admin: { listen: "unix:admin.sock" },
      keystore: { directory: "keys" },
      state: { directory: "state" },
      providers: Object.fromEntries(used.map((name) => [name, providers[name]])),
      keys: written,
      status: { interval: "1s" },
      log: { level: "debug", file: "kleidi.log" },
    };
    fixture.write(JSON.stringify(document));
  }

  async function write(name: string): Promise<void> {
    await api.createSecret(name, value(name));
    names.push(name);
  }

  /** Reads each Secret, then all of them in one request, and again until `over`. */
  async function keepReading(): Promise<void> {
    while (!over) {
      for (const name of [...names]) {
        const read = api.readSecret(name).then((found) => assert.equal(found, value(name)));
        await read.catch((error: unknown) => failures.push(error));
        reads += 1;
      }
      const { status, body } = await api.get("/api/v1/namespaces/default/secrets");
      if (status !== 200) failures.push(body);
      await sleep(50);
    }
  }

  function reload(): void {
    const { status, stdout, stderr } = fixture.run("reload");
    assert.equal(status, 0, stdout + stderr);
  }

  /** Adds a key that decrypts, then makes it the active one, and waits until the API server writes with it. */
  async function moveTo(next: Key, former: readonly Key[]): Promise<void> {
    const [last, ...older] = former.toReversed();
    assert.ok(last !== undefined);
    const rest = older.map((key) => [key, "decrypt"] as const);
    use([last, "active"], [next, "decrypt"], ...rest);
    reload();
    const before = await client.status();
    use([next, "active"], [last, "decrypt"], ...rest);
    reload();
    const { keyId } = await client.status();
    assert.notEqual(keyId, before.keyId);
    await untilWritten(`under-${next.name}`, keyId);
    assert.deepEqual(failures, []);
  }

  /** An API server asks for Status when its health is asked for, but not more often than every 20 s. */
  async function untilWritten(prefix: string, keyId: string): Promise<void> {
    for (let i = 0; ; i++) {
      assert.ok(i < 120, `the API server does not write under ${keyId}`);
      await api.get("/readyz");
      await write(`${prefix}-${i}`);
      const [stored] = await etcd.values(`/registry/secrets/default/${prefix}-${i}`);
      if (stored?.includes(keyId)) return;
      await sleep(1_000);
    }
  }

  test("from the file to the TPM", () => moveTo(TPM, [FILE]));

  test("from the TPM to OpenBao", () => moveTo(VAULT, [FILE, TPM]));

  test("from OpenBao to both", () => moveTo(BOTH, [FILE, TPM, VAULT]));

  test("after a rewrite, the former keys go, and no read failed", async () => {
    for (const name of names) await api.rewriteSecret(name);
    use([BOTH, "active"]);
    reload();
    const count = reads;
    await untilWell(async () => assert.ok(reads > count + names.length));
    over = true;
    await traffic;
    assert.deepEqual(failures, []);
    for (const stored of await etcd.values("/registry/secrets/", true))
      assert.ok(stored.includes((await client.status()).keyId));
  });

  /** Starts the host and the API server, which have nothing in memory, and reads everything. */
  async function startAndRead(): Promise<void> {
    await api.stop();
    assert.equal(await Fixture.stop(host), 0);
    host = fixture.spawn();
    await api.start();
    for (const name of names) assert.equal(await api.readSecret(name), value(name));
  }

  test("without OpenBao, and without the TPM, the cluster starts and reads every Secret", async () => {
    await bao.kill();
    await startAndRead();
    await bao.start();
    await bao.unseal();
    await tpm.kill();
    await startAndRead();
  });
});

function provider(module: string, grants: Record<string, unknown>): Record<string, unknown> {
  return { module, sha256: sha256Of(module), grants };
}
