/** A cluster moves from vault-kubernetes-kms to kleidí under the same provider name, by the commands of the page, and once back before the rewrite. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import { WAITS_MS } from "../../host/rotation/waits.ts";
import { Fixture, kleidi } from "../support/fixture.ts";
import { startForeignPlugin } from "../support/foreign-plugin.ts";
import { ageHistory } from "../support/history.ts";
import type { KmsPlugin } from "../support/kms-plugin.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { Page } from "../support/page.ts";
import { vaultConfig } from "../support/vault-node.ts";
import { ApiServer, Etcd } from "./servers.ts";

const page = new Page("operate/from-vault-kubernetes-kms.md");
const NAME = "vault-kubernetes-kms";
const PROVIDER = `k8s:enc:kms:v2:${NAME}:`;

interface Outcome {
  readonly code: number;
  readonly output: string;
}

describe("from vault-kubernetes-kms to kleidí", () => {
  const fixture = new Fixture();
  const etcd = new Etcd(fixture.folder);
  const api = new ApiServer(fixture.folder, etcd, fixture.socket);
  const secrets = new Map<string, string>();
  let bao: OpenBao;
  let setup: Setup;
  let plugin: KmsPlugin | undefined;
  let host: ChildProcess | undefined;

  before(async () => {
    bao = await OpenBao.dev();
    setup = new Setup(bao);
    await setup.transit();
    for (const key of ["kms", "kek-2026"]) await setup.key(key);
    // As the page says.
    await setup.policy("kleidi", {
      "transit/keys/kek-2026": ["read"],
      "transit/encrypt/kek-2026": ["update"],
      "transit/decrypt/kek-2026": ["update"],
      "transit/keys/kms": ["read"],
      "transit/decrypt/kms": ["update"],
    });
    await configure();
    // The entry of the plugin, whose name and socket stay.
    const kms = { apiVersion: "v2", name: NAME, endpoint: `unix://${fixture.socket}` };
    api.useEncryption(
      JSON.stringify({
        apiVersion: "apiserver.config.k8s.io/v1",
        kind: "EncryptionConfiguration",
        resources: [{ resources: ["secrets"], providers: [{ kms }, { identity: {} }] }],
      }),
    );
    symlinkSync(kleidi, join(fixture.folder, "kleidi"));
    await etcd.start();
  });
  after(async () => {
    await api.stop();
    await plugin?.stop();
    await etcd.stop();
    await fixture.close();
    await bao?.stop();
  });

  /** Writes the configuration of the page, with this machine's module, origin and token. */
  async function configure(): Promise<void> {
    const [shown = ""] = page.blocks("Configure both keys", "yaml");
    const { keys, providers } = parse(shown);
    const { allow } = providers.vault.grants.net;
    const net = { allow };
    const rest = { keys, admin: { listen: "unix:admin.sock" } };
    fixture.write(JSON.stringify(vaultConfig({ origin: bao.url, net, rest })));
    const token = await setup.token({ policies: ["kleidi"] });
    writeFileSync(join(fixture.folder, "token"), `${token}\n`, { mode: 0o600 });
  }

  /** Runs the commands of a section, with the paths of this test. */
  async function walk(heading: string): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const command of page.commands(heading)) outcomes.push(await run(command));
    return outcomes;
  }

  function run(command: string): Promise<Outcome> {
    const here = command
      .replaceAll("/etc/kleidi/kleidi.yaml", fixture.config)
      .replaceAll("/etc/kubernetes/enc/enc.yaml", api.encryptionConfig)
      .replaceAll("/root/.kube/config", join(fixture.folder, "kubeconfig"))
      .replaceAll("http://127.0.0.1:2379", etcd.url);
    const env = { ...process.env, PATH: `${fixture.folder}${delimiter}${process.env.PATH}` };
    return new Promise((resolve) =>
      execFile("sh", ["-c", here], { env, cwd: fixture.folder }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), output: `${stdout}${stderr}` }),
      ),
    );
  }

  async function servePlugin(): Promise<void> {
    plugin = await startForeignPlugin(bao, "kms", fixture.socket);
    await api.start();
  }

  async function stopAll(): Promise<void> {
    await api.stop();
    await plugin?.stop();
    plugin = undefined;
    if (host !== undefined) assert.equal(await Fixture.stop(host), 0);
    host = undefined;
  }

  async function serveKleidi(): Promise<void> {
    host = fixture.spawn();
    assert.deepEqual(
      (await walk("Change the socket")).map(({ code }) => code),
      [0],
    );
    await api.start();
    api.kubeconfig();
  }

  async function remember(name: string): Promise<void> {
    secrets.set(name, `value-of-${name}`);
    await api.createSecret(name, `value-of-${name}`);
  }

  async function assertReadable(): Promise<void> {
    for (const [name, value] of secrets) assert.equal(await api.readSecret(name), value);
  }

  async function scan(): Promise<string> {
    const [{ code, output } = { code: 1, output: "" }] = await walk("Look at the store");
    assert.equal(code, 0, output);
    return output;
  }

  test("the plugin writes, and the scan names its objects", async () => {
    await servePlugin();
    await remember("one");
    const [value] = await etcd.values("/registry/secrets/default/one");
    assert.equal(value?.subarray(0, PROVIDER.length).toString(), PROVIDER);
    assert.match(
      await scan(),
      /secrets: 1 object under kms v2 vault-kubernetes-kms, key_id 1 \(.*, as vault-kubernetes-kms writes it$/m,
    );
  });

  test("kleidí reads them in the plugin's place", async () => {
    const checks = await walk("Configure both keys");
    for (const { code, output } of checks) assert.equal(code, 0, output);
    assert.match(checks[0]?.output ?? "", /live old-transit: Status for objects of vault-kubernetes-kms/);
    assert.match(checks[1]?.output ?? "", /the key old-transit for objects of vault-kubernetes-kms, 1 /);
    await stopAll();
    await serveKleidi();
    await assertReadable();
  });

  test("back to the plugin before anything is written, which rotates its key and writes on", async () => {
    const [{ output } = { output: "k1." }] = await walk("Go back");
    assert.doesNotMatch(output, /key_id k1\./);
    await stopAll();
    await setup.rotate("kms");
    await servePlugin();
    await assertReadable();
    await remember("two");
    assert.match(await scan(), /secrets: 1 object under kms v2 vault-kubernetes-kms, key_id 2 /);
  });

  test("to kleidí again: the objects of both versions are read, and new ones are its own", async () => {
    await stopAll();
    await serveKleidi();
    await remember("three");
    await assertReadable();
    const output = await scan();
    const doctor = `kleidi doctor --count --config ${fixture.config} --encryption-config ${api.encryptionConfig} --kubeconfig ${join(fixture.folder, "kubeconfig")}`;
    assert.match((await run(doctor)).output, /1 were read under key old-transit/);
    for (const keyId of ["1", "2", "k1\\.\\S+"])
      assert.match(
        output,
        new RegExp(`secrets: 1 object under kms v2 vault-kubernetes-kms, key_id ${keyId} \\(`),
      );
  });

  test("the foreign key is not retired while an API server may write with it, nor while objects need it", async () => {
    const [{ code, output } = { code: 0, output: "" }] = await walk("Retire the old key");
    assert.equal(code, 1, output);
    assert.match(output, /may still write with "old-transit"/);
    assert.match(output, /of 3 objects of secrets, 2 were read under it through https:/);
  });

  test("after the rewrite none is left under the plugin's key_ids, in etcd itself", async () => {
    const [{ code, output } = { code: 1, output: "" }] = await walk("Rewrite the objects");
    assert.equal(code, 0, output);
    assert.match(output, /all 3 objects of secrets in \S+ are under the active key/);
    const after = await scan();
    assert.match(after, /secrets: 3 objects under kms v2 vault-kubernetes-kms, key_id k1\./);
    assert.doesNotMatch(after, /vault-kubernetes-kms writes it/);
    await assertReadable();
  });

  test("the foreign key is retired with a proof, and a restarted API server does not need it", async () => {
    const history = join(fixture.folder, "kleidi.history.jsonl");
    const marks = readdirSync(fixture.folder)
      .filter((name) => name.endsWith(".mark"))
      .map((name) => join(fixture.folder, name));
    const { poll, expiry, margin } = WAITS_MS;
    ageHistory(history, marks, poll + expiry + margin + 60_000);
    const [retired, reloaded] = await walk("Retire the old key");
    assert.ok(retired && reloaded);
    assert.equal(retired.code, 0, retired.output);
    assert.match(
      retired.output,
      /Proof: 3 objects of secrets were read through https:\S+, none under the key\./,
    );
    assert.equal(reloaded.code, 0, reloaded.output);
    assert.doesNotMatch(fixture.readConfig(), /foreign/);
    await setup.deleteKey("kms");
    await api.stop();
    await api.start();
    await assertReadable();
  });
});
