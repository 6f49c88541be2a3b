/** Two providers, one of which never starts: the other one's key still encrypts and decrypts. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { buildGuests } from "../guests/build.ts";
import { Fixture, localConfig, localModule, sha256Of } from "../support/fixture.ts";

const fixture = new Fixture();
after(() => fixture.close());

test("a provider that cannot be started does not keep another from serving", async () => {
  const looping = (await buildGuests())["start-loop"];
  const providers = {
    local: {
      module: localModule,
      sha256: sha256Of(localModule),
      grants: { keystore: { keys: ["kek"] } },
    },
    broken: { module: looping, sha256: sha256Of(looping) },
  };
  const keys = [
    { name: "kek", provider: "local", use: "active" as const },
    { name: "old", provider: "broken", use: "decrypt" as const },
  ];
  fixture.write(localConfig(keys, { providers })).keyInit("kek");
  const host = await fixture.serve();
  const client = new KmsClient(fixture.socket);
  const plaintext = new Uint8Array(32).fill(9);
  const sealed = await client.encrypt({ plaintext });
  assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), plaintext);
  client.close();
  assert.equal(await Fixture.stop(host), 0);
  assert.match(fixture.readLog(), /Cannot load provider \\"broken\\": it was not ready within 5000 ms/);
});
