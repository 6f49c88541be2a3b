/**
 * Composed keys with real providers: OpenBao behind a front that can go away, a TPM, and a key file. The waits of a minute are walked on a
 * mocked clock, in host/kms/composed.test.ts.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import type { HostReport } from "../../host/telemetry/report.ts";
import { composedConfig, composedNode, LOCAL_PART, TPM_PART, VAULT_PART } from "../support/composed-node.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { Swtpm } from "../support/swtpm.ts";
import { request } from "../support/unix-request.ts";
import { untilWell } from "../support/until-well.ts";
import { Front } from "../support/vault-front.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const plaintext = Buffer.from("a DEK seed that nobody may hear!");
const [NOT_FOUND, UNAVAILABLE] = [5, 14];

let bao: OpenBao;
let setup: Setup;
let tpm: Swtpm;
let front: Front;
let token: string;

before(async () => {
  [bao, tpm] = await Promise.all([OpenBao.dev(), Swtpm.start("unix")]);
  setup = new Setup(bao);
  await setup.kek();
  token = await setup.token({ policies: ["kek"] });
  front = await Front.start(bao.url);
});

after(async () => {
  await front.stop();
  await tpm.stop();
  await bao.stop();
});

async function vaultGone(): Promise<number> {
  const { port } = front;
  await front.stop();
  return port;
}

async function vaultBack(port: number): Promise<void> {
  front = await Front.start(bao.url, { port });
}

/** Decrypts with 8 callers all the time while the work runs. @returns the failures, and the number of calls */
async function underLoad(
  decrypt: () => Promise<{ readonly plaintext: Uint8Array }>,
  work: () => Promise<void>,
) {
  let isGoing = true;
  let calls = 0;
  const failures: unknown[] = [];
  const loops = Array.from({ length: 8 }, async () => {
    while (isGoing) {
      try {
        assert.deepEqual((await decrypt()).plaintext, plaintext);
      } catch (error) {
        failures.push(error);
      }
      calls += 1;
      await sleep(10);
    }
  });
  try {
    await work();
  } finally {
    isGoing = false;
    await Promise.all(loops);
  }
  return { failures, calls };
}

/** The processes that a host started: each provider's Node runs under its wall. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

describe("anyOf of OpenBao and a TPM", () => {
  const BOTH = { name: "both", anyOf: ["vault-part", "tpm-part"], use: "active" };
  let fixture: Fixture;
  let client: KmsClient;
  let object: Awaited<ReturnType<KmsClient["encrypt"]>>;
  let host: Awaited<ReturnType<Fixture["serve"]>>;
  let checked: string;

  const decrypt = () => client.decrypt(object);
  const state = async (): Promise<HostReport> =>
    JSON.parse((await request(join(fixture.folder, "admin.sock"), "/state")).text);
  const both = async () => (await state()).keys.find(({ name }) => name === "both");

  before(async () => {
    const keys = [BOTH, VAULT_PART, TPM_PART];
    fixture = composedNode({ origin: front.origin, token, device: tpm.device, keys }).keyInit("tpm-part");
    // Before the host, because swtpm serves one process.
    checked = (await fixture.runAside("check", "--live")).stdout;
    host = await fixture.serve();
    client = new KmsClient(fixture.socket);
    object = await client.encrypt({ plaintext, uid: "the-encrypt" });
  });

  after(async () => {
    client.close();
    await fixture.close();
  });

  test("check --live uses both members", () => {
    assert.match(checked, /ok {3}live both: Encrypt and Decrypt through vault-part and tpm-part succeeded/);
  });

  test("encrypts under the key_id of Status, and decrypts", async () => {
    assert.equal(object.keyId, (await client.status()).keyId);
    assert.deepEqual((await decrypt()).plaintext, plaintext);
  });

  test("the audit log has the host calls of both members under the uid of the RPC", async () => {
    const records = await untilWell(async () => {
      const lines = readFileSync(join(fixture.folder, "audit.jsonl"), "utf8").trim().split("\n");
      const found = lines.map((line) => JSON.parse(line)).filter(({ uid }) => uid === "the-encrypt");
      assert.ok(found.some(({ kind }) => kind === "rpc"));
      return found;
    });
    const calls = records.filter(({ kind }) => kind === "host_call");
    assert.deepEqual([...new Set(calls.map(({ provider }) => provider))].sort(), ["tpm", "vault"]);
    assert.equal(records.find(({ kind }) => kind === "rpc")?.key, "both");
  });

  test("a version of the member that is rotated in its KMS is taken up, and older objects are decrypted", async () => {
    await setup.rotate("kek");
    await fixture.runAside("key", "refresh");
    assert.notEqual((await client.status()).keyId, object.keyId);
    assert.deepEqual((await decrypt()).plaintext, plaintext);
  });

  test("a provider's processes that are killed under load lose no call", async () => {
    const { failures, calls } = await underLoad(decrypt, async () => {
      // One of the providers after the other: the program of its wall, and the Node in it.
      for (const pid of childrenOf(host.pid ?? 0).slice(0, 2)) {
        const [node = pid] = childrenOf(pid);
        process.kill(node, "SIGKILL");
        await untilWell(async () => assert.ok((await both())?.failure === undefined));
        await untilWell(decrypt);
      }
    });
    assert.deepEqual(failures, []);
    assert.ok(calls >= 8, `${calls} calls`);
  });

  test("OpenBao goes away while serving: no Decrypt fails, and after a while new objects are written without it, which is told", async () => {
    const full = (await client.status()).keyId;
    const port = await vaultGone();
    const { failures } = await underLoad(decrypt, async () => {
      // Status is good all the time.
      for (let i = 0; (await client.status()).keyId === full; i++) {
        assert.ok(i < 600, "the member never left");
        await sleep(100);
      }
    });
    assert.deepEqual(failures, []);
    assert.deepEqual((await both())?.leftOut, ["vault-part"]);
    const ready = await request(join(fixture.folder, "admin.sock"), "/readyz");
    assert.equal(ready.status, 200);
    assert.match(ready.text, /^ok\nkey both encrypts without its member vault-part: /);
    const metrics = await request(join(fixture.folder, "admin.sock"), "/metrics");
    assert.match(metrics.text, /^kleidi_key_members_left_out\{key="both"\} 1$/m);
    assert.match(fixture.readLog(), /"without":\["vault-part"\].*without some of its members/);
    const { stdout } = fixture.run("check");
    assert.match(stdout, /warn running host: key both encrypts without its member vault-part/i);
    const reduced = await client.encrypt({ plaintext });
    assert.notEqual(reduced.keyId, full);
    assert.deepEqual((await client.decrypt(reduced)).plaintext, plaintext);

    // The same host, started while OpenBao is away.
    await Fixture.stop(host);
    host = await fixture.serve();
    assert.equal((await untilWell(() => client.status())).keyId, reduced.keyId);
    for (const each of [object, reduced]) assert.deepEqual((await client.decrypt(each)).plaintext, plaintext);

    await vaultBack(port);
    await Fixture.stop(host);
    host = await fixture.serve();
    assert.equal((await untilWell(() => client.status())).keyId, full);
    assert.deepEqual((await client.decrypt(reduced)).plaintext, plaintext);
  });

  test("a member that is lost for good is replaced by a reload, and the other one decrypts what was written before", async () => {
    const changed = [{ ...BOTH, anyOf: ["vault-part", "local-part"] }, VAULT_PART, LOCAL_PART];
    fixture
      .write(composedConfig({ origin: front.origin, device: tpm.device, keys: changed }))
      .keyInit("local-part");
    const { keyId } = await client.status();
    await fixture.runAside("reload");
    const replaced = await client.encrypt({ plaintext });
    assert.notEqual(replaced.keyId, keyId);
    assert.deepEqual((await decrypt()).plaintext, plaintext);
    const port = await vaultGone();
    assert.deepEqual((await client.decrypt(replaced)).plaintext, plaintext);
    await assert.rejects(decrypt(), { code: UNAVAILABLE });
    await vaultBack(port);
  });

  test("a key keeps its kind: a reload that gives a composed key a provider is refused", async () => {
    const changed = [{ name: "both", provider: "vault", use: "active", settings: { key: "kek" } }];
    fixture.write(composedConfig({ origin: front.origin, device: tpm.device, keys: changed }));
    const { status, stdout, stderr } = fixture.run("reload");
    assert.equal(status, 1);
    assert.match(stdout + stderr, /key "both" has provider "vault" there and members in the running host/);
  });
});

test("allOf of OpenBao and a key file: without either half nothing is decrypted", async () => {
  const keys = [{ name: "pair", allOf: ["vault-part", "local-part"], use: "active" }, VAULT_PART, LOCAL_PART];
  const options = { origin: front.origin, token, device: tpm.device, keys };
  const [fixture, other] = [composedNode(options), composedNode(options)];
  const [client, thief] = [new KmsClient(fixture.socket), new KmsClient(other.socket)];
  try {
    for (const each of [fixture, other]) await each.keyInit("local-part").serve();
    const object = await client.encrypt({ plaintext });
    assert.deepEqual((await client.decrypt(object)).plaintext, plaintext);
    // The KMS with another key file.
    await assert.rejects(thief.decrypt(object), { code: NOT_FOUND });
    const port = await vaultGone();
    await assert.rejects(client.decrypt(object), { code: UNAVAILABLE });
    await vaultBack(port);
    assert.deepEqual((await untilWell(() => client.decrypt(object))).plaintext, plaintext);
  } finally {
    for (const each of [client, thief]) each.close();
    for (const each of [fixture, other]) await each.close();
  }
});
