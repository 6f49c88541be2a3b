/** The first second of a host: an API server calls as soon as it finds the socket, and a failed call makes its own start fail. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, localConfig } from "../support/fixture.ts";

const AT_ONCE = 100;
/** The time until the socket appears, on a busy machine. */
const PATIENCE_MS = 30_000;

test("a hundred callers that call as soon as the socket exists are served", async () => {
  const fixture = new Fixture();
  const client = new KmsClient(fixture.socket);
  try {
    fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
    fixture.spawn();
    for (const end = Date.now() + PATIENCE_MS; !existsSync(fixture.socket); await sleep(1))
      assert.ok(Date.now() < end, "the socket did not appear");
    const plaintext = new Uint8Array(32).fill(7);
    // The default timeout of a caller is 3 s; the machine may be busy for longer, and the host's own limit is 2.4 s.
    const asked = Array.from({ length: AT_ONCE }, () => client.encrypt({ plaintext }, PATIENCE_MS));
    const [first, ...others] = await Promise.all([client.status(PATIENCE_MS), ...asked]);
    assert.deepEqual(new Set(others.map(({ keyId }) => keyId)), new Set([first.keyId]));
  } finally {
    client.close();
    await fixture.close();
  }
});
