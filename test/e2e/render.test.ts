/**
 * A real API server accepts the output of kleidi render: the EncryptionConfiguration of each stage, by the commands of docs/operate/migrate.md
 * beside aescbc and another plugin, and the pods.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import type { Stage } from "../../host/render/encryption-config.ts";
import { localPod } from "../render/configurations.ts";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";
import { type KmsPlugin, serveKmsPlugin } from "../support/kms-plugin.ts";
import { Page } from "../support/page.ts";
import { ApiServer, Etcd, until } from "./servers.ts";

const PREFIX = "k8s:enc:kms:v2:kleidi:";
const OLD_PREFIX = "k8s:enc:kms:v2:kleidi-kms-plugin:";
const COMMANDS = new Page("operate/migrate.md").commands("From aescbc, aesgcm or secretbox");
const PODS = "/api/v1/namespaces/kube-system/pods?dryRun=All&fieldValidation=Strict";
const IMAGE = "registry.example/kleidi:0.1.0";

describe("kube-apiserver with rendered files", () => {
  const fixture = new Fixture();
  const etcd = new Etcd(fixture.folder);
  const api = new ApiServer(fixture.folder, etcd, fixture.socket);

  const socket = join(fixture.folder, "plugin.sock");
  let plugin: KmsPlugin;

  before(async () => {
    plugin = await serveKmsPlugin(socket, softhsm());
    symlinkSync(kleidi, join(fixture.folder, "kleidi"));
    fixture.write(localConfig([{ name: "kek-1", use: "active" }])).keyInit("kek-1");
    await fixture.serve();
    await etcd.start();
  });
  after(async () => {
    await api.stop();
    await etcd.stop();
    await plugin.stop();
    await fixture.close();
  });

  /** Starts the API server with a file of the stage that the page's command makes from enc.yaml. */
  async function restartWith(stage: Stage): Promise<void> {
    const leave = new Page("operate/migrate.md").commands("Go back");
    const command = [...COMMANDS, ...leave].find((each) => each.includes(`--stage ${stage} `));
    assert.ok(command);
    const env = { ...process.env, PATH: `${fixture.folder}${delimiter}${process.env.PATH}` };
    // The page's configuration is that of the node; here it stays in this folder.
    const here = `${command} --node-config ${fixture.config}`;
    execFileSync("sh", ["-c", here], { cwd: fixture.folder, env, stdio: "pipe" });
    await restart(readFileSync(join(fixture.folder, "node-files/etc/kubernetes/enc/enc.yaml"), "utf8"));
  }

  async function restart(encryption: string): Promise<void> {
    await api.stop();
    api.useEncryption(encryption);
    await api.start();
  }

  /** The file before kleidí, with the providers in this order. */
  function existing(...providers: readonly object[]): string {
    const text = JSON.stringify({
      apiVersion: "apiserver.config.k8s.io/v1",
      kind: "EncryptionConfiguration",
      resources: [{ resources: ["secrets"], providers: [...providers, { identity: {} }] }],
    });
    writeFileSync(join(fixture.folder, "enc.yaml"), text);
    return text;
  }

  /** The content of the last file. */
  function rendered(...args: string[]): string {
    const { status, stdout, stderr } = fixture.run("render", ...args, "--json");
    assert.equal(status, 0, `${stdout}${stderr}`);
    return JSON.parse(stdout).files.at(-1).text;
  }

  async function isEncrypted(name: string, prefix = PREFIX): Promise<boolean> {
    const [value] = await etcd.values(`/registry/secrets/default/${name}`);
    return value?.subarray(0, prefix.length).toString() === prefix;
  }

  test("an API server with aescbc, and then with another plugin", async () => {
    const aescbc = { aescbc: { keys: [{ name: "key1", secret: randomBytes(32).toString("base64") }] } };
    const kms = { kms: { apiVersion: "v2", name: "kleidi-kms-plugin", endpoint: `unix://${socket}` } };
    await restart(existing(aescbc));
    await api.createSecret("oldest", "zero");
    assert.ok(await isEncrypted("oldest", "k8s:enc:aescbc:v1:key1:"));
    existing(kms, aescbc);
  });

  test("stage writes with the previous provider, promote writes with kleidí, and each reads the other's objects", async () => {
    await restartWith("stage");
    await api.createSecret("staged", "one");
    assert.ok(await isEncrypted("staged", OLD_PREFIX));
    await restartWith("promote");
    await api.createSecret("promoted", "two");
    assert.equal(await isEncrypted("promoted"), true);
    assert.deepEqual([await api.readSecret("staged"), await api.readSecret("promoted")], ["one", "two"]);
  });

  test("retire reads rewritten objects; leave reads all objects and writes with the previous provider", async () => {
    await api.rewriteSecret("oldest");
    // an API server with one object that it cannot read does not become ready
    await api.rewriteSecret("staged");
    assert.equal(await isEncrypted("staged"), true);
    await restartWith("retire");
    assert.deepEqual([await api.readSecret("staged"), await api.readSecret("promoted")], ["one", "two"]);
    await restartWith("leave");
    assert.deepEqual([await api.readSecret("staged"), await api.readSecret("promoted")], ["one", "two"]);
    await api.createSecret("left", "three");
    assert.ok(await isEncrypted("left", OLD_PREFIX));
    assert.equal(await api.readSecret("oldest"), "zero");
  });

  test("strict validation accepts the static pod, and the API server's pod with the sidecar", async () => {
    const accounts = "/api/v1/namespaces/kube-system/serviceaccounts";
    await until("kube-system has its service account", async () => {
      const { status } = await api.create(accounts, { metadata: { name: "default" } });
      return status === 201 || status === 409;
    });
    fixture.write(localPod);
    const pod = parse(rendered("static-pod", "--image", IMAGE));
    const patch = parse(rendered("sidecar", "--image", IMAGE));
    for (const container of patch.spec.containers) container.image = "registry.example/kube-apiserver:1";
    for (const manifest of [pod, patch]) {
      const { status, body } = await api.create(PODS, manifest);
      assert.equal(status, 201, body);
      // the API server keeps every field: none was unknown and dropped
      assert.equal(JSON.parse(body).metadata.annotations["kleidi.dev/config-sha256"].length, 64);
    }
    const { status } = await api.create(PODS, { ...pod, spec: { ...pod.spec, hostNetwrok: true } });
    assert.equal(status, 400, "the validation is strict");
  });
});

/** As the Go kleidi encrypts with a key of a PKCS#11 token (docs/foreign-formats.md). */
function softhsm() {
  const key = randomBytes(32);
  const keyId = "kleidi-kms-plugin";
  return {
    annotations: { "v2.kleidi.beezy.dev": Uint8Array.of(0x31) },
    keyId: async () => keyId,
    async encrypt(plaintext: Uint8Array) {
      const nonce = randomBytes(16);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(keyId));
      return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    async decrypt(bytes: Uint8Array) {
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 16));
      decipher.setAAD(Buffer.from(keyId)).setAuthTag(bytes.subarray(-16));
      return Buffer.concat([decipher.update(bytes.subarray(16, -16)), decipher.final()]);
    },
  };
}
