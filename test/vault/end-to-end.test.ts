/** End to end: a host with its KEK in a real OpenBao: its results, and the number of its requests. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { saying } from "../support/sentences.ts";
import { untilWell } from "../support/until-well.ts";
import { Front } from "../support/vault-front.ts";
import { allowFor, vaultNode } from "../support/vault-node.ts";

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));

let bao: OpenBao;
let setup: Setup;

before(async () => {
  bao = await OpenBao.dev();
  setup = new Setup(bao);
  await setup.transit();
});

after(() => bao.stop());

interface World {
  readonly fixture: Fixture;
  readonly front: Front;
  readonly client: KmsClient;
}

/** A host with its own Transit key. */
async function inWorld(
  name: string,
  work: (world: World) => Promise<void>,
  options: { interval?: string; rest?: Record<string, unknown> } = {},
): Promise<void> {
  await setup.key(name);
  await setup.policy(name, keyRules(name));
  const token = await setup.token({ policies: [name] });
  const front = await Front.start(bao.url);
  const fixture = vaultNode({
    origin: front.origin,
    token,
    net: { allow: allowFor(name) },
    key: { settings: { key: name } },
    ...options,
  });
  const client = new KmsClient(fixture.socket);
  try {
    await work({ fixture, front, client });
  } finally {
    client.close();
    await fixture.close();
    await front.stop();
  }
}

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

async function opens(client: KmsClient, sealed: Sealed): Promise<void> {
  const { plaintext: back } = await client.decrypt(sealed);
  assert.deepEqual(new Uint8Array(back), plaintext);
}

const [INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNAUTHENTICATED] = [3, 5, 9, 16];

describe("a host with a KEK in OpenBao", () => {
  test("decrypts what it encrypted, and OpenBao keeps the key", () =>
    inWorld("round", async ({ fixture, client }) => {
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      assert.match(Buffer.from(sealed.ciphertext).toString(), /^vault:v1:/);
      assert.equal(sealed.keyId, (await client.status()).keyId);
      await opens(client, sealed);
      assert.equal(await Fixture.stop(host), 0);
    }));

  test("sends no request for Status, one and a read-back for Encrypt, and one for Decrypt", () =>
    inWorld(
      "counted",
      async ({ fixture, front, client }) => {
        await fixture.serve();
        const asked = () => ({
          encrypt: front.count("/encrypt/counted"),
          decrypt: front.count("/decrypt/counted"),
          // Without the looks at the version, which no caller causes here.
          all: front.heard.length - front.count("/keys/counted"),
        });
        const start = asked();
        for (let i = 0; i < 20; i++) await client.status();
        assert.deepEqual(asked(), start);
        const sealed = await client.encrypt({ plaintext });
        assert.deepEqual(asked(), {
          ...start,
          encrypt: start.encrypt + 1,
          decrypt: start.decrypt + 1,
          all: start.all + 2,
        });
        for (let i = 0; i < 5; i++) await opens(client, sealed);
        assert.deepEqual(asked(), {
          ...start,
          encrypt: start.encrypt + 1,
          decrypt: start.decrypt + 6,
          all: start.all + 7,
        });
      },
      // A long interval, so that the host's own probes are not counted.
      { interval: "60s" },
    ));

  test("refuses a changed ciphertext and one of another key_id", () =>
    inWorld("bound", async ({ fixture, client }) => {
      await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      const changed = Uint8Array.from(sealed.ciphertext);
      changed[changed.length - 3] = (changed[changed.length - 3] as number) ^ 1;
      await assert.rejects(client.decrypt({ ...sealed, ciphertext: changed }), saying(INVALID_ARGUMENT));
      await assert.rejects(client.decrypt({ ...sealed, keyId: `k1.${"A".repeat(43)}` }), saying(NOT_FOUND));
      // Without its associated data the same ciphertext would decrypt, if it were not bound.
      const { status } = await bao.api("POST", "transit/decrypt/bound", {
        ciphertext: Buffer.from(sealed.ciphertext).toString(),
      });
      assert.equal(status, 400);
    }));

  test("fails no call when the key is rotated under load: the key_id changes once, and everything decrypts", () =>
    inWorld("rotated", async ({ fixture, client }) => {
      await fixture.serve();
      const first = await client.encrypt({ plaintext });
      const all: Sealed[] = [];
      let going = true;
      const callers = Array.from({ length: 8 }, async () => {
        while (going) {
          const sealed = await client.encrypt({ plaintext });
          all.push(sealed);
          await opens(client, sealed);
        }
      });
      const ids: string[] = [];
      const watch = (async () => {
        while (going) {
          const { keyId } = await client.status();
          if (ids.at(-1) !== keyId) ids.push(keyId);
          await sleep(50);
        }
      })();
      await setup.rotate("rotated");
      await untilWell(async () => assert.ok(ids.length > 1));
      await sleep(500);
      going = false;
      await Promise.all([...callers, watch]);
      assert.equal(ids.length, 2);
      assert.equal(ids[0], first.keyId);
      const last = await client.encrypt({ plaintext });
      assert.equal(last.keyId, ids[1]);
      assert.match(Buffer.from(last.ciphertext).toString(), /^vault:v2:/);
      // Each ciphertext has the version that its key_id names.
      for (const { keyId, ciphertext } of all)
        assert.ok(
          Buffer.from(ciphertext)
            .toString()
            .startsWith(keyId === ids[0] ? "vault:v1:" : "vault:v2:"),
        );
      await opens(client, first);
      await opens(client, last);
    }));

  test("names a rotated key in Status when key refresh returns, long before the next regular probe", () =>
    inWorld(
      "refreshed",
      async ({ fixture, client }) => {
        await fixture.serve();
        const { keyId: before } = await client.status();
        await setup.rotate("refreshed");
        const { stdout } = await fixture.runAside("key", "refresh");
        assert.match(stdout, /^ok {3}key kek: active, version 2\./);
        const { keyId } = await client.status();
        assert.notEqual(keyId, before);
        assert.equal((await client.encrypt({ plaintext })).keyId, keyId);
      },
      { interval: "60s", rest: { admin: { listen: "unix:admin.sock" } } },
    ));

  test("refuses ciphertexts below min_decryption_version as such, and decrypts them when it is lowered", () =>
    inWorld("minimum", async ({ fixture, client }) => {
      await fixture.serve();
      const old = await client.encrypt({ plaintext });
      await setup.rotate("minimum");
      await setup.configure("minimum", { min_decryption_version: 2 });
      await assert.rejects(client.decrypt(old), saying(FAILED_PRECONDITION));
      assert.match(fixture.readLog(), /min_decryption_version/);
      await setup.configure("minimum", { min_decryption_version: 1 });
      await untilWell(() => opens(client, old));
    }));

  test("gives another key_id to a key that was deleted and recreated under the same name", () =>
    inWorld("remade", async ({ fixture, client }) => {
      const host = await fixture.serve();
      const old = await client.encrypt({ plaintext });
      await setup.deleteKey("remade");
      await untilWell(() => assert.rejects(client.status(), saying(FAILED_PRECONDITION)));
      await assert.rejects(client.encrypt({ plaintext }), saying(FAILED_PRECONDITION));
      // Two seconds, so that the creation times differ.
      await sleep(1100);
      await setup.key("remade");
      await Fixture.stop(host);
      await fixture.serve();
      const { keyId } = await client.status();
      assert.notEqual(keyId, old.keyId);
      await assert.rejects(client.decrypt(old), saying(NOT_FOUND));
      await opens(client, await client.encrypt({ plaintext }));
    }));

  test("never creates a missing key in Encrypt", () =>
    inWorld("never", async ({ fixture, client }) => {
      await fixture.serve();
      await setup.deleteKey("never");
      for (let i = 0; i < 3; i++)
        await assert.rejects(client.encrypt({ plaintext }), saying(UNAUTHENTICATED, FAILED_PRECONDITION));
      assert.equal((await bao.api("GET", "transit/keys/never")).status, 404);
    }));
});

test("uses a key in a namespace and under another mount", async () => {
  const team = await setup.namespace("team-a");
  await team.transit("kms");
  await team.key("kek", {}, "kms");
  await team.policy("kek", keyRules("kek", "kms"));
  const token = await team.token({ policies: ["kek"] });
  const fixture = vaultNode({
    origin: bao.url,
    token,
    net: {
      allow: allowFor("kek", "team-a/kms"),
      credential: { vault: { auth: "token", file: "token", namespace: "team-a" } },
    },
    key: { settings: { namespace: "team-a", mount: "kms" } },
  });
  const client = new KmsClient(fixture.socket);
  try {
    await fixture.serve();
    await opens(client, await client.encrypt({ plaintext }));
  } finally {
    client.close();
    await fixture.close();
  }
});
