/** A whole host with the tpm provider while its TPM, or the way to it, misbehaves: nothing is told, nothing wrong is handed out, all is well afterwards. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode, untilWell } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));

interface World {
  readonly tpm: Swtpm;
  readonly fixture: Fixture;
  readonly client: KmsClient;
}

async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const tpm = await Swtpm.start("unix");
  const fixture = tpmNode(tpm);
  const client = new KmsClient(fixture.socket);
  try {
    const made = fixture.run("key", "init");
    assert.equal(made.status, 0, made.stderr);
    await work({ tpm, fixture, client });
  } finally {
    client.close();
    await fixture.close();
    await tpm.stop();
  }
}

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

async function opens(client: KmsClient, sealed: Sealed): Promise<void> {
  const { plaintext: back } = await client.decrypt(sealed);
  assert.deepEqual(new Uint8Array(back), plaintext);
}

describe("a TPM that is not well", () => {
  test("killed while calls are in flight: each ends, and when it is back all is well without a restart of the host", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      const calls = Array.from({ length: 16 }, () => client.decrypt(sealed));
      await tpm.kill("SIGKILL");
      for (const each of await Promise.allSettled(calls)) {
        if (each.status === "fulfilled") assert.deepEqual(new Uint8Array(each.value.plaintext), plaintext);
        else assert.ok([4, 8, 9, 13, 14].includes(each.reason.code), String(each.reason));
      }
      await tpm.start();
      await untilWell(() => opens(client, sealed));
      assert.equal(await Fixture.stop(host), 0);
      assert.equal(await tpm.loaded(), "");
    }));

  test("stopped for three seconds: calls end at their deadline, and all is well when it goes on", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      tpm.signal("SIGSTOP");
      const late = await client.decrypt(sealed, 5000).catch((error) => error);
      assert.ok([4, 14].includes(late.code), String(late));
      await sleep(1000);
      tpm.signal("SIGCONT");
      await untilWell(() => opens(client, sealed));
      assert.equal(await Fixture.stop(host), 0);
      assert.equal(await tpm.loaded(), "");
    }));

  test("in lockout: a key without dictionary-attack protection goes on", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      await tpm.lockOut();
      // inLockout of TPMA_PERMANENT, as the TPM itself says it.
      assert.match(await tpm.tool("tpm2_getcap", "properties-variable"), /inLockout: +1/);
      await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      await opens(client, sealed);
    }));

  test("cleared: nothing is decrypted, the reason is told, and no key is made over the old one", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const first = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      assert.equal(await Fixture.stop(first), 0);
      await tpm.tool("tpm2_clear");
      const second = fixture.spawn();
      const failed = await untilWell(async () => {
        const error = await client.decrypt(sealed).catch((each) => each);
        if (error.code === 14 && !/provider/.test(error.details)) throw error;
        return error;
      });
      assert.notEqual(failed.code, undefined, "it decrypted");
      await untilWell(async () => {
        assert.match(
          fixture.readLog(),
          /this TPM's storage primary is not the one that the key was made under/,
        );
      });
      await Fixture.stop(second);
      const again = fixture.run("key", "init");
      assert.equal(again.status, 1);
      assert.match(again.stderr, /exists already/);
    }));
});
