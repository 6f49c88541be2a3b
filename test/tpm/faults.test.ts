/** A whole host with the tpm provider while its TPM, or the way to it, misbehaves: nothing is told, nothing wrong is handed out, all is well afterwards. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";
import { TpmProxy } from "../support/tpm-proxy.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
const CREATE_PRIMARY = 0x131;
const HMAC = 0x155;
const START_SESSION = 0x176;
const LOAD = 0x157;

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

/** Tries until it is well again, at most for 20 s. */
async function untilWell<T>(work: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await work();
    } catch (error) {
      if (i === 100) throw error;
      await sleep(200);
    }
  }
}

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

async function opens(client: KmsClient, sealed: Sealed): Promise<void> {
  const { plaintext: back } = await client.decrypt(sealed);
  assert.deepEqual(new Uint8Array(back), plaintext);
}

describe("a man in the middle of host and TPM", () => {
  test("hears no key, auth value, AES key or plaintext, and no RSA is ever made", async () => {
    const tpm = await Swtpm.start("unix");
    const path = join(tpm.folder, "proxy.sock");
    const proxy = await TpmProxy.start(path, tpm.socket);
    const fixture = tpmNode({ device: `swtpm:${path}` });
    const client = new KmsClient(fixture.socket);
    try {
      // A known KEK. "key init" runs while this process waits, so it cannot go through the proxy; what it does is heard by the
      // provider's own tests.
      const escrow = join(fixture.folder, "kek.hex");
      const direct = tpmNode(tpm);
      const made = direct.run("key", "init", "kek", "--escrow", escrow);
      assert.equal(made.status, 0, made.stderr);
      const kek = Buffer.from(readFileSync(escrow, "utf8").trim(), "hex");
      const record = readFileSync(join(direct.folder, "state", "kek.state"), "utf8");
      for (const name of ["kek.state", "kek.made"]) {
        const bytes = readFileSync(join(direct.folder, "state", name));
        writeFileSync(join(fixture.folder, "state", name), bytes, { mode: 0o600 });
      }
      await direct.close();
      await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      await opens(client, sealed);
      const [, auth = ""] = /^auth: ([0-9a-f]{64})$/m.exec(record) ?? [];
      assert.equal(auth.length, 64);
      // The format of providers/tpm/README.md, computed again.
      const ciphertext = Buffer.from(sealed.ciphertext);
      const input = Buffer.concat([
        Buffer.of(0, 0, 0, 1),
        Buffer.from("kleidi tpm hmac 1 seed\0"),
        ciphertext.subarray(1, 49),
        Buffer.of(0, 0, 1, 0),
      ]);
      const aes = createHmac("sha256", kek).update(input).digest();
      const wire = Buffer.concat(proxy.heard);
      assert.ok(proxy.heard.length > 20, `${proxy.heard.length} messages`);
      for (const [what, secret] of [
        ["the KEK", kek],
        ["the auth value", Buffer.from(auth, "hex")],
        ["the AES key", aes],
        ["the plaintext", Buffer.from(plaintext)],
      ] as const) {
        assert.ok(!wire.includes(secret), `${what} is on the wire`);
      }
      const primaries = proxy.heard.filter(
        (bytes) => bytes.readUInt32BE(6) === CREATE_PRIMARY && bytes.length > 60,
      );
      assert.ok(primaries.length > 0);
      // TPMT_PUBLIC begins with its type: ECC with SHA-256, and no RSA with it.
      for (const bytes of primaries) {
        assert.ok(bytes.includes(Buffer.from("0023000b", "hex")));
        assert.ok(!bytes.includes(Buffer.from("0001000b", "hex")));
      }
    } finally {
      client.close();
      await fixture.close();
      await proxy.close();
      await tpm.stop();
    }
  });

  test("who flips a bit of a response, or gives an old one again, gets nothing wrong out, and does no lasting harm", async () => {
    const tpm = await Swtpm.start("unix");
    const path = join(tpm.folder, "proxy.sock");
    const fixture = tpmNode({ device: `swtpm:${path}` });
    const direct = tpmNode(tpm);
    const made = direct.run("key", "init");
    assert.equal(made.status, 0, made.stderr);
    for (const name of ["kek.state", "kek.made"]) {
      const bytes = readFileSync(join(direct.folder, "state", name));
      writeFileSync(join(fixture.folder, "state", name), bytes, { mode: 0o600 });
    }
    await direct.close();
    const proxy = await TpmProxy.start(path, tpm.socket);
    const client = new KmsClient(fixture.socket);
    try {
      await fixture.serve();
      const sealed = await untilWell(() => client.encrypt({ plaintext }));
      const old = new Map<number, Buffer>();
      let tampered = 0;
      const once = (code: number, change: (response: Buffer) => Buffer) => {
        let done = false;
        proxy.tamper = (each, response) => {
          if (each !== code || done) return response;
          done = true;
          tampered += 1;
          return change(Buffer.from(response));
        };
      };
      const flip = (at: number) => (response: Buffer) => {
        const place = Math.min(at, response.length - 1);
        response[place] = (response[place] ?? 0) ^ 1;
        return response;
      };
      proxy.tamper = (code, response) => {
        old.set(code, Buffer.from(response));
        return response;
      };
      await untilWell(() => opens(client, sealed));
      const attacks: [number, (response: Buffer) => Buffer][] = [
        ...[10, 14, 16, 30, 47, 60, 90].map((at): [number, (response: Buffer) => Buffer] => [HMAC, flip(at)]),
        [HMAC, () => old.get(HMAC) ?? assert.fail("no response was kept")],
        [START_SESSION, flip(20)],
        [LOAD, flip(30)],
        [CREATE_PRIMARY, flip(60)],
      ];
      for (const [code, change] of attacks) {
        once(code, change);
        const got = await client.decrypt(sealed).then(
          ({ plaintext: back }) => Buffer.from(back).toString("hex"),
          () => "failed",
        );
        assert.ok(
          got === "failed" || got === Buffer.from(plaintext).toString("hex"),
          `${code.toString(16)}: ${got}`,
        );
        await untilWell(() => opens(client, sealed));
      }
      assert.ok(tampered >= 8, `${tampered} responses were changed`);
      const fresh = await untilWell(() => client.encrypt({ plaintext }));
      await opens(client, fresh);
    } finally {
      client.close();
      await fixture.close();
      await proxy.close();
      await tpm.stop();
    }
  });
});

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
