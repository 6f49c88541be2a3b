/** A real API server encrypts its Secrets with a KEK in a (virtual) TPM. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";
import { ApiServer, Etcd } from "./servers.ts";

const VALUE = "a-value-that-must-not-lie-in-etcd";

requireDebian(["swtpm", "tpm2-tools"]);

describe("kube-apiserver with the tpm provider", () => {
  let tpm: Swtpm;
  let fixture: Fixture;
  let etcd: Etcd;
  let api: ApiServer;
  let host: ChildProcess;

  before(async () => {
    tpm = await Swtpm.start("unix");
    fixture = tpmNode(tpm);
    etcd = new Etcd(fixture.folder);
    api = new ApiServer(fixture.folder, etcd, fixture.socket);
    const { status, stderr } = fixture.run("key", "init");
    assert.equal(status, 0, stderr);
    host = await fixture.serve();
    await etcd.start();
    await api.start();
  });

  after(async () => {
    await api.stop();
    await etcd.stop();
    await fixture.close();
    await tpm.stop();
  });

  test("a Secret is stored in etcd with the plugin's prefix, and its plaintext nowhere", async () => {
    await api.createSecret("first", VALUE);
    const [value] = await etcd.values("/registry/secrets/default/first");
    assert.ok(value);
    assert.ok(value.toString("latin1").startsWith("k8s:enc:kms:v2:kleidi:"));
    const encoded = Buffer.from(VALUE).toString("base64");
    for (const each of await etcd.values("/", true))
      assert.ok(!each.includes(VALUE) && !each.includes(encoded));
    assert.equal(await api.readSecret("first"), VALUE);
  });

  test("the Secret reads back after a restart of the TPM, the host and the API server", async () => {
    await api.stop();
    assert.equal(await Fixture.stop(host), 0);
    await tpm.kill();
    await tpm.start();
    host = await fixture.serve();
    await api.start();
    assert.equal(await api.readSecret("first"), VALUE);
  });
});
