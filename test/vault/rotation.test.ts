/** A Transit key that is rotated in OpenBao: the hosts see it by themselves, soon, and with few requests. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import type { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { saying } from "../support/sentences.ts";
import { untilWell } from "../support/until-well.ts";
import { Front } from "../support/vault-front.ts";
import { allowFor, vaultNode } from "../support/vault-node.ts";

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
const NOT_FOUND = 5;

let bao: OpenBao;
let setup: Setup;
const ends: (() => Promise<unknown>)[] = [];

interface World {
  readonly fixture: Fixture;
  readonly front: Front;
  readonly client: KmsClient;
}

before(async () => {
  bao = await OpenBao.dev();
  ends.push(() => bao.stop());
  setup = new Setup(bao);
  await setup.transit();
});

after(async () => {
  for (const end of ends.reverse()) await end();
});

/** A host that serves a Transit key of this name. */
async function serve(key: string, interval: string, rest: Record<string, unknown> = {}): Promise<World> {
  await setup.policy(key, keyRules(key));
  const front = await Front.start(bao.url);
  const token = await setup.token({ policies: [key] });
  const fixture = vaultNode({
    origin: front.origin,
    token,
    net: { allow: allowFor(key) },
    key: { settings: { key } },
    interval,
    rest,
  });
  const client = new KmsClient(fixture.socket);
  ends.push(async () => {
    client.close();
    await fixture.close();
    await front.stop();
  });
  await fixture.serve();
  return { fixture, front, client };
}

test("Status names a rotated key after at most five looks at its versions, with the default interval and no refresh", async (t) => {
  await setup.key("seen");
  const { client, front } = await serve("seen", "10s");
  const { keyId: before } = await client.status();
  const looks = front.count("/keys/seen");
  const encrypts = front.count("/encrypt/seen");
  const rotatedAt = performance.now();
  await setup.rotate("seen");
  await untilWell(async () => assert.notEqual((await client.status()).keyId, before));
  t.diagnostic(`named by Status after ${Math.round(performance.now() - rotatedAt)} ms`);
  // One may have read the version just before the rotation; three agree on the new one; and the next may have begun.
  assert.ok(front.count("/keys/seen") - looks <= 5, `${front.count("/keys/seen") - looks} looks`);
  // The look that adopts the version encrypts; a regular probe may have come in between.
  assert.ok(front.count("/encrypt/seen") - encrypts <= 2);
});

test("what one host encrypts just after it noticed a rotation, another one that has not noticed it decrypts", async () => {
  await setup.key("shared");
  const first = await serve("shared", "60s", { admin: { listen: "unix:admin.sock" } });
  const second = await serve("shared", "60s");
  const { keyId: before } = await second.client.status();
  await setup.rotate("shared");
  await first.fixture.runAside("key", "refresh");
  const sealed = await first.client.encrypt({ plaintext });
  assert.notEqual(sealed.keyId, before);
  const opened = await second.client.decrypt(sealed);
  assert.deepEqual(new Uint8Array(opened.plaintext), plaintext);
  assert.equal((await second.client.status()).keyId, before, "it has not adopted the version yet");
});

test("64 callers of random key_ids cause at most one look a second, and calls of known ones are served", async () => {
  await setup.key("flooded");
  const { client, front } = await serve("flooded", "60s");
  const sealed = await client.encrypt({ plaintext });
  const startedAt = performance.now();
  const before = front.count("/keys/flooded");
  const encrypts = front.count("/encrypt/flooded");
  let over = false;
  let garbage = 0;
  const flood = Promise.all(
    Array.from({ length: 64 }, async () => {
      while (!over) {
        const keyId = `k1.${randomBytes(32).toString("base64url")}`;
        await assert.rejects(client.decrypt({ ...sealed, keyId }, 20_000), saying(NOT_FOUND));
        garbage += 1;
      }
    }),
  );
  for (let calls = 0; front.count("/keys/flooded") < before + 4; calls++) {
    assert.ok(calls < 100_000);
    await client.decrypt(sealed, 20_000);
  }
  over = true;
  await flood;
  const seconds = (performance.now() - startedAt) / 1000;
  const looks = front.count("/keys/flooded") - before;
  assert.ok(garbage >= 64);
  assert.ok(looks <= seconds + 1, `${looks} looks in ${seconds} s`);
  assert.ok(front.count("/encrypt/flooded") - encrypts <= 2, "a look does not use the key");
});
