/** End to end: the tpm provider while its TPM or the connection misbehaves: no secret leaks, no wrong result, and recovery afterwards. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";
import { untilWell } from "../support/until-well.ts";

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

/** Asserts the host's own message under one of these codes, in time: the client's deadline would produce another message. */
function gaveUp(reason: unknown, codes: readonly number[]): void {
  const { code, details } = reason as { code?: number; details?: string };
  assert.ok(code !== undefined && codes.includes(code), String(reason));
  assert.match(details ?? "", /^Cannot /);
}

const [DEADLINE_EXCEEDED, FAILED_PRECONDITION, UNAVAILABLE] = [4, 9, 14];
/** Less than the three seconds that the API server waits. */
const PATIENCE_MS = 2_900;
const ANOTHER_TPM = /this TPM's storage primary is not the parent of the key/;

/** Every record that key init and a host wrote for keys. */
function recordsOf({ folder }: Fixture): string[] {
  const state = join(folder, "state");
  return readdirSync(state).map((name) => `${name} ${readFileSync(join(state, name), "hex")}`);
}

describe("a faulty TPM", () => {
  test("killed while 16 calls are in flight: each is answered or UNAVAILABLE, and calls succeed after its restart", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      const calls = Array.from({ length: 16 }, () => client.decrypt(sealed, PATIENCE_MS));
      await Promise.race(calls);
      await tpm.kill("SIGKILL");
      for (const each of await Promise.allSettled(calls)) {
        if (each.status === "fulfilled") assert.deepEqual(new Uint8Array(each.value.plaintext), plaintext);
        else gaveUp(each.reason, [UNAVAILABLE]);
      }
      await tpm.start();
      await untilWell(() => opens(client, sealed));
      await untilWell(() => client.status());
      assert.equal(await Fixture.stop(host), 0);
      assert.equal(await tpm.loaded(), "");
    }));

  test("restarted with its state: Decrypt continues without a restart of the host", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      for (let i = 0; i < 3; i++) {
        await tpm.kill();
        await tpm.start();
        await untilWell(() => opens(client, sealed));
      }
      assert.equal(await Fixture.stop(host), 0);
      assert.equal(await tpm.loaded(), "");
    }));

  test("stopped for four seconds: each call ends in time, and calls succeed when it continues", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      tpm.signal("SIGSTOP");
      const goesOn = sleep(4_000).then(() => tpm.signal("SIGCONT"));
      // Calls that queue count too, and then one that finds the connection given up.
      const late = await Promise.allSettled(
        Array.from({ length: 4 }, () => client.decrypt(sealed, PATIENCE_MS)),
      );
      for (const each of late) {
        assert.equal(each.status, "rejected");
        gaveUp(each.reason, [DEADLINE_EXCEEDED, UNAVAILABLE]);
      }
      const after = await client.decrypt(sealed, PATIENCE_MS).catch((error) => error);
      // The TPM may have continued meanwhile.
      if (after instanceof Error) gaveUp(after, [DEADLINE_EXCEEDED, UNAVAILABLE]);
      await goesOn;
      await untilWell(() => opens(client, sealed));
      assert.equal(await Fixture.stop(host), 0);
      assert.equal(await tpm.loaded(), "");
    }));

  test("in lockout: a key without dictionary-attack protection still works", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      await tpm.lockOut();
      // inLockout of TPMA_PERMANENT, as reported by the TPM.
      assert.match(await tpm.tool("tpm2_getcap", "properties-variable"), /inLockout: +1/);
      await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      await opens(client, sealed);
    }));
});

describe("a TPM that is not the key's", () => {
  test("another TPM in its place: nothing is decrypted or created, and the log gives the reason; with the old one, calls succeed again", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const records = recordsOf(fixture);
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      await tpm.kill();
      const other = join(tpm.folder, "other");
      mkdirSync(other);
      await tpm.start(other);
      await untilWell(async () => gaveUp(await failureOf(client.decrypt(sealed)), [FAILED_PRECONDITION]));
      await untilWell(async () => gaveUp(await failureOf(client.status()), [FAILED_PRECONDITION]));
      for (let i = 0; i < 3; i++) {
        gaveUp(await failureOf(client.encrypt({ plaintext })), [FAILED_PRECONDITION]);
        gaveUp(await failureOf(client.decrypt(sealed)), [FAILED_PRECONDITION]);
      }
      assert.match(fixture.readLog(), ANOTHER_TPM);
      assert.deepEqual(recordsOf(fixture), records);
      await tpm.kill();
      await tpm.start();
      await untilWell(() => opens(client, sealed));
      await untilWell(async () => opens(client, await client.encrypt({ plaintext })));
      assert.equal(await Fixture.stop(host), 0);
      assert.equal(await tpm.loaded(), "");
      await tpm.kill();
      await tpm.start(other);
      assert.equal(await tpm.loaded(), "");
      assert.equal(await tpm.tool("tpm2_getcap", "handles-persistent"), "");
    }));

  test("cleared: nothing is decrypted, the reason is reported, and no key replaces the old one", () =>
    inWorld(async ({ tpm, fixture, client }) => {
      const records = recordsOf(fixture);
      const first = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      assert.equal(await Fixture.stop(first), 0);
      await tpm.tool("tpm2_clear", "-c", "lockout");
      const second = fixture.spawn();
      // The host listens before it has probed its key; it reports the fault only after the probe.
      await untilWell(async () => assert.match(fixture.readLog(), ANOTHER_TPM));
      await untilWell(async () =>
        gaveUp(await failureOf(client.encrypt({ plaintext })), [FAILED_PRECONDITION]),
      );
      // Not NOT_FOUND, although this host never probed the key successfully.
      gaveUp(await failureOf(client.decrypt(sealed)), [FAILED_PRECONDITION]);
      gaveUp(await failureOf(client.status()), [FAILED_PRECONDITION]);
      assert.equal(await Fixture.stop(second), 0);
      for (const more of [[], ["--escrow", join(fixture.folder, "kek.hex")]]) {
        const again = fixture.run("key", "init", ...more);
        assert.equal(again.status, 1);
        assert.match(again.stderr, /exists already/);
      }
      assert.deepEqual(recordsOf(fixture), records);
      assert.equal(await tpm.loaded(), "");
    }));
});

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => assert.fail("it succeeded"),
    (error) => error,
  );
}
