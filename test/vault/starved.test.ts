/**
 * A provider whose KMS accepts requests and answers none holds all that it may: connections, their descriptors and timers, calls in its
 * process, callers in its queue. Meanwhile a second provider is measured: it must not be affected.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { loadConfig } from "../../host/config/load.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { descriptorsOf } from "../../host/runtime/descriptors.ts";
import { localModule, sha256Of } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { untilWell } from "../support/until-well.ts";
import { Front } from "../support/vault-front.ts";
import { allowFor, vaultConfig, vaultNode } from "../support/vault-node.ts";

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
/** More than the provider's calls at once, so that many wait in its queue until they are refused. */
const STUCK = 400;
/** A connection may carry 100 requests at once. */
const CLIENTS = 4;
const HONEST = 40;

let bao: OpenBao;
before(async () => {
  bao = await OpenBao.dev();
});
after(() => bao.stop());

test("a KMS that answers nothing fails only the calls of its own provider", async () => {
  const setup = new Setup(bao);
  await setup.transit();
  await setup.key("stuck");
  await setup.policy("stuck", keyRules("stuck"));
  const token = await setup.token({ policies: ["stuck"] });
  const front = await Front.start(bao.url);
  const options = {
    origin: front.origin,
    token,
    net: { allow: allowFor("stuck") },
    key: { settings: { key: "stuck" } },
  };
  const fixture = vaultNode(options);
  const client = new KmsClient(fixture.socket);
  const others = new KmsClient(fixture.socket);
  const crowd = Array.from({ length: CLIENTS }, () => new KmsClient(fixture.socket));
  try {
    const first = await fixture.serve();
    const sealed = await client.encrypt({ plaintext });
    first.kill("SIGTERM");
    await new Promise((resolve) => first.once("exit", resolve));

    const config = vaultConfig(options) as {
      providers: Record<string, unknown>;
      keys: Record<string, unknown>[];
    };
    const local = {
      module: localModule,
      sha256: sha256Of(localModule),
      grants: { keystore: { keys: ["own"] } },
    };
    fixture
      .write(
        JSON.stringify({
          ...config,
          keystore: { directory: "keys" },
          providers: { ...config.providers, local },
          keys: [
            { ...config.keys[0], use: "decrypt" },
            { name: "own", provider: "local", use: "active" },
          ],
        }),
      )
      .keyInit("own");
    const host = await fixture.serve();
    const most = descriptorsOf(loadConfig(fixture.config));
    await untilWell(async () =>
      assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), plaintext),
    );

    front.interfere = () => true;
    const stuck = Array.from({ length: STUCK }, (_, i) =>
      (crowd[i % CLIENTS] ?? client).decrypt(sealed).then(
        () => "served",
        (error) => `${error.code}`,
      ),
    );
    let held = 0;
    for (let i = 0; i < HONEST; i++) {
      const { ciphertext, keyId, annotations } = await others.encrypt({ plaintext });
      assert.deepEqual(
        new Uint8Array((await others.decrypt({ ciphertext, keyId, annotations })).plaintext),
        plaintext,
      );
      held = Math.max(held, readdirSync(`/proc/${host.pid}/fd`).length);
    }
    assert.ok(held <= most, `${held} descriptors, at most ${most} were announced`);
    const outcomes = new Set(await Promise.all(stuck));
    assert.ok(!outcomes.has("served"), [...outcomes].join());

    front.interfere = undefined;
    front.cut();
    await untilWell(async () =>
      assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), plaintext),
    );
    assert.equal(host.exitCode, null);
  } finally {
    for (const each of [client, ...crowd]) each.close();
    others.close();
    await fixture.close();
    await front.stop();
  }
});
