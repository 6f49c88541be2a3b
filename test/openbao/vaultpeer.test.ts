/** The benchmark's Go peer works as required for a comparison: a KMS v2 plugin over a transit key. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { OpenBao } from "../support/openbao.ts";
import { vaultpeer } from "../support/openbao-server.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { VaultPeer } from "../support/vaultpeer.ts";

describe("vaultpeer", () => {
  let bao: OpenBao;
  let setup: Setup;
  let peer: VaultPeer;
  let client: KmsClient;

  before(async () => {
    bao = await OpenBao.tls();
    setup = new Setup(bao);
    await setup.transit("team/transit");
    await setup.key("kek", {}, "team/transit");
    await setup.policy("kek", keyRules("kek", "team/transit"));
    const token = await setup.token({ policies: ["kek"] });
    peer = await VaultPeer.start(bao, { key: "kek", mount: "team/transit", token });
    client = new KmsClient(peer.socket);
  });
  after(async () => {
    client?.close();
    await peer?.stop();
    await bao?.stop();
  });

  test("encrypts and decrypts through its socket, over TLS, with the minimal rights", async () => {
    const plaintext = randomBytes(32);
    const sealed = await client.encrypt({ plaintext });
    assert.match(Buffer.from(sealed.ciphertext).toString(), /^vault:v1:/);
    const opened = await client.decrypt(sealed);
    assert.deepEqual(Buffer.from(opened.plaintext), plaintext);
  });

  test("returns another key id after a rotation, in Status and in Encrypt, and decrypts older ciphertexts", async () => {
    const before = await client.status();
    assert.equal(before.version, "v2");
    assert.equal(before.healthz, "ok");
    const plaintext = randomBytes(32);
    const old = await client.encrypt({ plaintext });
    assert.equal(old.keyId, before.keyId);
    await setup.rotate("kek", "team/transit");
    const status = await client.status();
    assert.notEqual(status.keyId, before.keyId);
    assert.equal((await client.encrypt({ plaintext })).keyId, status.keyId);
    assert.deepEqual(Buffer.from((await client.decrypt(old)).plaintext), plaintext);
  });

  test("fails when the server refuses", async () => {
    const sealed = await client.encrypt({ plaintext: randomBytes(32) });
    const changed = Buffer.from(sealed.ciphertext);
    changed.writeUInt8(changed.readUInt8(20) === 65 ? 66 : 65, 20);
    const asked = { ...sealed, ciphertext: changed };
    await assert.rejects(client.decrypt(asked), /message authentication failed/);
  });

  test("exits 0 on SIGTERM, and 2 when an option is missing", async () => {
    const other = await VaultPeer.start(bao, { key: "kek", mount: "team/transit" });
    assert.equal(await other.stop(), 0);
    assert.equal(spawnSync(vaultpeer, ["-key=kek"]).status, 2);
  });
});
