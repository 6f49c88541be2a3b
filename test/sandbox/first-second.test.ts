/** The first second of a host: an API server asks as soon as it finds the socket, and a failure then is a failure of its own start. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, localConfig } from "../support/fixture.ts";

const AT_ONCE = 100;
/** Of the socket's appearance, on a machine that is busy. */
const PATIENCE_MS = 30_000;

test("whoever calls as soon as the socket is there is served, a hundred at once", async () => {
  const fixture = new Fixture();
  const client = new KmsClient(fixture.socket);
  try {
    fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
    fixture.spawn();
    for (const end = Date.now() + PATIENCE_MS; !existsSync(fixture.socket); await sleep(1))
      assert.ok(Date.now() < end, "there is a socket");
    const plaintext = new Uint8Array(32).fill(7);
    // The default of a caller is 3 s; the machine that runs this may be busy for longer, and the host's own limit is 2.4 s.
    const asked = Array.from({ length: AT_ONCE }, () => client.encrypt({ plaintext }, PATIENCE_MS));
    const [first, ...others] = await Promise.all([client.status(PATIENCE_MS), ...asked]);
    assert.deepEqual(new Set(others.map(({ keyId }) => keyId)), new Set([first.keyId]));
  } finally {
    client.close();
    await fixture.close();
  }
});
