/** A real API server accepts the output of kleidi render: the EncryptionConfiguration of each stage, and the pods. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import type { Stage } from "../../host/render/encryption-config.ts";
import { localPod } from "../render/configurations.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { ApiServer, Etcd, until } from "./servers.ts";

const PREFIX = "k8s:enc:kms:v2:kleidi:";
const PODS = "/api/v1/namespaces/kube-system/pods?dryRun=All&fieldValidation=Strict";
const IMAGE = "registry.example/kleidi:0.1.0";

describe("kube-apiserver with rendered files", () => {
  const fixture = new Fixture();
  const etcd = new Etcd(fixture.folder);
  const api = new ApiServer(fixture.folder, etcd, fixture.socket);

  before(async () => {
    fixture.write(localConfig([{ name: "kek-1", use: "active" }])).keyInit("kek-1");
    await fixture.serve();
    await etcd.start();
  });
  after(async () => {
    await api.stop();
    await etcd.stop();
    await fixture.close();
  });

  async function restartWith(stage: Stage): Promise<void> {
    await api.stop();
    api.useEncryption(rendered("encryption-config", "--stage", stage, "--node-config", fixture.config));
    await api.start();
  }

  /** The content of the last file. */
  function rendered(...args: string[]): string {
    const { status, stdout, stderr } = fixture.run("render", ...args, "--json");
    assert.equal(status, 0, `${stdout}${stderr}`);
    return JSON.parse(stdout).files.at(-1).text;
  }

  async function isEncrypted(name: string): Promise<boolean> {
    const [value] = await etcd.values(`/registry/secrets/default/${name}`);
    return value?.subarray(0, PREFIX.length).toString() === PREFIX;
  }

  test("stage writes with the previous provider, promote writes with kleidí, and each reads the other's objects", async () => {
    await restartWith("stage");
    await api.createSecret("staged", "one");
    assert.equal(await isEncrypted("staged"), false);
    await restartWith("promote");
    await api.createSecret("promoted", "two");
    assert.equal(await isEncrypted("promoted"), true);
    assert.deepEqual([await api.readSecret("staged"), await api.readSecret("promoted")], ["one", "two"]);
  });

  test("retire reads rewritten objects; leave reads all objects and writes with the previous provider", async () => {
    // an API server with one object that it cannot read does not become ready
    await api.rewriteSecret("staged");
    assert.equal(await isEncrypted("staged"), true);
    await restartWith("retire");
    assert.deepEqual([await api.readSecret("staged"), await api.readSecret("promoted")], ["one", "two"]);
    await restartWith("leave");
    assert.deepEqual([await api.readSecret("staged"), await api.readSecret("promoted")], ["one", "two"]);
    await api.createSecret("left", "three");
    assert.equal(await isEncrypted("left"), false);
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
