/** A cluster moves from another plugin to kleidí under the same provider name, by the commands of a page, and once back before the rewrite. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { readdirSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { WAITS_MS } from "../../host/rotation/waits.ts";
import { Fixture, kleidi } from "../support/fixture.ts";
import { ageHistory } from "../support/history.ts";
import type { KmsPlugin } from "../support/kms-plugin.ts";
import { Page } from "../support/page.ts";
import { ApiServer, Etcd } from "./servers.ts";

/** The plugin, and the KMS that it shares with kleidí. */
export interface Move {
  /** Its name here and in the EncryptionConfiguration, which is the name of its format. */
  readonly plugin: string;
  /** The page with its configuration; the other steps are those of from-vault-kubernetes-kms.md. */
  readonly page: Page;
  /** The name of the foreign key in the page. */
  readonly oldKey: string;
  /** The key_ids that the plugin stores: at first, and after the rotation of its key. */
  readonly keyIds: readonly [first: string, second: string];
  start(): Promise<void>;
  /** Writes the configuration of the page, with this machine's module, origin and credential. */
  configure(fixture: Fixture): Promise<void>;
  serve(socket: string): Promise<KmsPlugin>;
  rotate(): Promise<void>;
  /** Nothing may need the old key any more. */
  deleteKey(): Promise<void>;
  stop(): Promise<void>;
}

const steps = new Page("operate/from-vault-kubernetes-kms.md");

interface Outcome {
  readonly code: number;
  readonly output: string;
}

export function walkTakeover(move: Move): void {
  const { plugin: name, oldKey } = move;
  const [first, second] = move.keyIds;
  const underName = `k8s:enc:kms:v2:${name}:`;
  const fixture = new Fixture();
  const etcd = new Etcd(fixture.folder);
  const api = new ApiServer(fixture.folder, etcd, fixture.socket);
  const secrets = new Map<string, string>();
  let plugin: KmsPlugin | undefined;
  let host: ChildProcess | undefined;

  before(async () => {
    await move.start();
    await move.configure(fixture);
    // The entry of the plugin, whose name and socket stay.
    const kms = { apiVersion: "v2", name, endpoint: `unix://${fixture.socket}` };
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
    await move.stop();
  });

  /** Runs the commands of a section, with the paths of this test. */
  async function walk(heading: string): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const command of pageOf(heading).commands(heading)) outcomes.push(await run(command));
    return outcomes;
  }

  function pageOf(heading: string): Page {
    return move.page.has(heading) ? move.page : steps;
  }

  function run(command: string): Promise<Outcome> {
    const here = command
      .replaceAll("/etc/kleidi/kleidi.yaml", fixture.config)
      .replaceAll("/etc/kubernetes/enc/enc.yaml", api.encryptionConfig)
      .replaceAll("/root/.kube/config", join(fixture.folder, "kubeconfig"))
      .replaceAll("http://127.0.0.1:2379", etcd.url)
      .replaceAll("old-transit", oldKey);
    const env = { ...process.env, PATH: `${fixture.folder}${delimiter}${process.env.PATH}` };
    return new Promise((resolve) =>
      execFile("sh", ["-c", here], { env, cwd: fixture.folder }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), output: `${stdout}${stderr}` }),
      ),
    );
  }

  async function servePlugin(): Promise<void> {
    plugin = await move.serve(fixture.socket);
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
    assert.equal(value?.subarray(0, underName.length).toString(), underName);
    assert.ok(linesOf(await scan(), [first]).every((line) => line.endsWith(`, as ${name} writes it`)));
  });

  test("kleidí reads them in the plugin's place", async () => {
    const checks = await walk("Configure both keys");
    for (const { code, output } of checks) assert.equal(code, 0, output);
    assert.match(checks[0]?.output ?? "", new RegExp(`live ${oldKey}: Status for objects of ${name}`));
    assert.match(checks[1]?.output ?? "", new RegExp(`the key ${oldKey} for objects of ${name}, ${first} `));
    await stopAll();
    await serveKleidi();
    await assertReadable();
  });

  test("back to the plugin before anything is written, which rotates its key and writes on", async () => {
    const [{ output } = { output: "k1." }] = await walk("Go back");
    assert.doesNotMatch(output, /key_id k1\./);
    await stopAll();
    await move.rotate();
    await servePlugin();
    await assertReadable();
    await remember("two");
    linesOf(await scan(), [first, second]);
  });

  test("to kleidí again: the objects of both versions are read, and new ones are its own", async () => {
    await stopAll();
    await serveKleidi();
    await remember("three");
    await assertReadable();
    linesOf(await scan(), [first, second, "k1."]);
    const doctor = `kleidi doctor --count --config ${fixture.config} --encryption-config ${api.encryptionConfig} --kubeconfig ${join(fixture.folder, "kubeconfig")}`;
    assert.match((await run(doctor)).output, new RegExp(`[12] were read under key ${oldKey}`));
  });

  test("the foreign key is not retired while an API server may write with it, nor while objects need it", async () => {
    const [{ code, output } = { code: 0, output: "" }] = await walk("Retire the old key");
    assert.equal(code, 1, output);
    assert.match(output, new RegExp(`may still write with "${oldKey}"`));
    assert.match(output, /of 3 objects of secrets, 2 were read under it through https:/);
  });

  test("after the rewrite none is left under the plugin's key_ids, in etcd itself", async () => {
    const [{ code, output } = { code: 1, output: "" }] = await walk("Rewrite the objects");
    assert.equal(code, 0, output);
    assert.match(output, /all 3 objects of secrets in \S+ are under the active key/);
    const after = await scan();
    linesOf(after, ["k1.", "k1.", "k1."]);
    assert.doesNotMatch(after, /writes it/);
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
    const { keys } = parse(fixture.readConfig()) as { keys: Record<string, unknown>[] };
    assert.ok(keys.every(({ foreign }) => foreign === undefined));
    await move.deleteKey();
    await api.stop();
    await api.start();
    await assertReadable();
  });

  /**
   * Checks the lines of the scan for Secrets.
   * @param keyIds of all objects, or their beginnings
   * @returns the lines
   */
  function linesOf(output: string, keyIds: readonly string[]): string[] {
    const lines = output.split("\n").filter((line) => / objects? under kms v2 /.test(line));
    for (const keyId of new Set(keyIds)) {
      const count = keyIds.filter((each) => each === keyId).length;
      const expected = `secrets: ${count} object${count === 1 ? "" : "s"} under kms v2 ${name}, key_id ${keyId}`;
      assert.equal(lines.filter((line) => line.includes(expected)).length, 1, `${expected}\n${output}`);
    }
    assert.equal(lines.length, new Set(keyIds).size, output);
    return lines;
  }
}
