/** A real API server encrypts its Secrets with a KEK in a real OpenBao. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { vaultNode } from "../support/vault-node.ts";
import { ApiServer, Etcd, until } from "./servers.ts";

const VALUE = "a-value-that-must-not-lie-in-etcd";

describe("kube-apiserver with the vault provider", () => {
  let bao: OpenBao;
  let setup: Setup;
  let fixture: Fixture;
  let etcd: Etcd;
  let api: ApiServer;
  let host: ChildProcess;

  before(async () => {
    bao = await OpenBao.tls();
    setup = new Setup(bao);
    await setup.kek();
    fixture = vaultNode({
      origin: bao.url,
      token: await setup.token({ policies: ["kek"] }),
      net: { tls: { ca: bao.authority.file } },
    });
    etcd = new Etcd(fixture.folder);
    api = new ApiServer(fixture.folder, etcd, fixture.socket);
    host = await fixture.serve();
    await etcd.start();
    await api.start();
  });

  after(async () => {
    await api.stop();
    await etcd.stop();
    await fixture.close();
    await bao.stop();
  });

  test("a Secret is stored in etcd with the plugin's prefix, and its plaintext nowhere", async () => {
    await api.createSecret("first", VALUE);
    const [value] = await etcd.values("/registry/secrets/default/first");
    assert.ok(value?.toString("latin1").startsWith("k8s:enc:kms:v2:kleidi:"));
    const encoded = Buffer.from(VALUE).toString("base64");
    for (const each of await etcd.values("/", true))
      assert.ok(!each.includes(VALUE) && !each.includes(encoded));
    assert.equal(await api.readSecret("first"), VALUE);
  });

  test("while OpenBao is sealed, cached reads continue and readyz fails; it recovers after the unseal", async () => {
    await bao.seal();
    assert.equal(await api.readSecret("first"), VALUE);
    await until("readyz fails", async () => (await api.get("/readyz/kms-providers")).status === 500);
    assert.equal(await api.readSecret("first"), VALUE);
    await bao.unseal();
    await until("readyz is good", async () => (await api.get("/readyz/kms-providers")).status === 200);
  });

  const UNREACHABLE = 'Cannot status: provider "vault" reports that its KMS does not answer';
  test("a host and an API server that start without OpenBao become ready soon after it does", async () => {
    await api.stop();
    assert.equal(await Fixture.stop(host), 0);
    await bao.kill();
    host = fixture.spawn();
    const client = new KmsClient(fixture.socket);
    try {
      // The socket is there, and Status reports the fault.
      await until("Status reports the cause", async () => {
        const error = (await client.status().catch((error) => error)) as { code?: number; details?: string };
        return error.code === 14 && error.details === UNREACHABLE;
      });
      await bao.start();
      await bao.unseal();
      await until("Status is good", async () => (await client.status().catch(() => undefined)) !== undefined);
    } finally {
      client.close();
    }
    await api.start();
    assert.equal(await api.readSecret("first"), VALUE);
  });

  test("after a rotation in OpenBao, new Secrets carry the new key_id and old ones can still be read", async () => {
    const client = new KmsClient(fixture.socket);
    try {
      const before = (await client.status()).keyId;
      await setup.rotate("kek");
      await until("the key_id moved", async () => (await client.status()).keyId !== before);
      const now = (await client.status()).keyId;
      await api.stop();
      await api.start();
      await api.createSecret("second", VALUE);
      const [second] = await etcd.values("/registry/secrets/default/second");
      assert.ok(second?.includes(now), "the new Secret names the new key_id");
      assert.equal(await api.readSecret("first"), VALUE);
      assert.equal(await api.readSecret("second"), VALUE);
    } finally {
      client.close();
    }
  });
});
