/** 1,000 calls at once, as from API servers that start together: all of them are served in the time that an API server waits. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const CALLS = 1_000;
const API_SERVER_WAITS_MS = 3_000;
const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));

const fixture = new Fixture();
let sealed: Awaited<ReturnType<KmsClient["encrypt"]>>;

before(async () => {
  const log = { level: "warn", file: "kleidi.log" };
  fixture.write(localConfig([{ name: "kek", use: "active" }], { log })).keyInit("kek");
  await fixture.serve();
  const client = new KmsClient(fixture.socket);
  sealed = await client.encrypt({ plaintext });
  client.close();
});
after(() => fixture.close());

/** @returns the number of calls with each outcome: "served", or the host's message */
async function burst(clients: readonly KmsClient[], call: (client: KmsClient) => Promise<unknown>) {
  const outcomes = new Map<string, number>();
  const calls = Array.from({ length: CALLS }, async (_, i) => {
    const outcome = await call(clients[i % clients.length] as KmsClient).then(
      () => "served",
      ({ details }) => String(details),
    );
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  });
  await Promise.all(calls);
  return Object.fromEntries(outcomes);
}

for (const connections of [1, 10, 50]) {
  test(`over ${connections} connections`, async () => {
    const clients = Array.from({ length: connections }, () => new KmsClient(fixture.socket));
    try {
      // Again, if other work keeps the processors busy: a queue that is bounded by number refuses 680 each time.
      await untilWell(async () =>
        assert.deepEqual(await burst(clients, (client) => client.decrypt(sealed, API_SERVER_WAITS_MS)), {
          served: CALLS,
        }),
      );
    } finally {
      for (const client of clients) client.close();
    }
  });
}
