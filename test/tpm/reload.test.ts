/**
 * A reload with a TPM: the successor of a provider shares the connection of the one that serves, because a virtual TPM takes one only, and
 * neither sees the objects of the other.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import type { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const PLAINTEXT = new Uint8Array(32).fill(7);
const CALLERS = 4;
let tpm: Swtpm;
let fixture: Fixture;

before(async () => {
  tpm = await Swtpm.start();
  fixture = tpmNode({ device: tpm.device, interval: "60s" }).keyInit("kek");
  write({});
});

after(async () => {
  await fixture.close();
  await tpm.stop();
});

/** Writes the configuration with these limits of the provider. */
function write(limits: Record<string, unknown>): void {
  const config = JSON.parse(fixture.readConfig());
  config.providers.tpm.limits = limits;
  config.admin = { listen: "unix:admin.sock" };
  fixture.write(JSON.stringify(config));
}

test("a provider of a virtual TPM is replaced under load, twice, and no call fails", async () => {
  await fixture.serve();
  const client = new KmsClient(fixture.socket);
  const sealed = await client.encrypt({ plaintext: PLAINTEXT });
  let over = false;
  let calls = 0;
  const callers = Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (!over) {
        const { plaintext } = await client.decrypt(sealed);
        assert.deepEqual(new Uint8Array(plaintext), PLAINTEXT);
        calls += 1;
      }
    }),
  );
  try {
    for (const queue of [300, 400]) {
      write({ queue });
      const { stdout } = await fixture.runAside("reload", "--json");
      assert.match(JSON.parse(stdout).findings[0].detail, /providers started: tpm; providers ended: tpm/);
      const before = calls;
      while (calls < before + 2 * CALLERS) await client.status();
    }
  } finally {
    over = true;
    await callers;
    client.close();
  }
});
