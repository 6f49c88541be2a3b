/** One of two providers has a module that is not admitted: the host serves the keys of the other one. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, localConfig, localModule, sha256Of } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

let fixture: Fixture;
let admin: string;
let module: string;

beforeEach(async () => {
  fixture = new Fixture();
  admin = `127.0.0.1:${await freePort()}`;
  module = join(fixture.folder, "other.wasm");
});
afterEach(() => fixture.close());

/** @param active the provider of the active key */
function configure(active: "local" | "other"): void {
  const grants = (key: string) => ({ keystore: { keys: [key] } });
  const sha256 = sha256Of(localModule);
  const providers = {
    local: { module: localModule, sha256, grants: grants("kek") },
    other: { module, sha256, grants: grants("second") },
  };
  const keys = [
    { name: "kek", provider: "local", use: active === "local" ? "active" : "decrypt" },
    { name: "second", provider: "other", use: active === "other" ? "active" : "decrypt" },
  ] as const;
  fixture.write(localConfig(keys, { providers, admin: { listen: admin } }));
  copyFileSync(localModule, module);
  fixture.keyInit("kek").keyInit("second");
}

const spoiled: readonly (readonly [what: string, spoil: () => void, sentence: RegExp])[] = [
  ["missing", () => spawnSync("rm", [module]), /other\.wasm cannot be read \(ENOENT\)/],
  [
    "a pipe",
    () => spawnSync("sh", ["-c", 'rm "$1" && mkfifo "$1"', "sh", module]),
    /other\.wasm is a named pipe/,
  ],
  ["of another digest", () => writeFileSync(module, "text"), /the configuration pins/],
];
for (const [what, spoil, sentence] of spoiled)
  test(`a module that is ${what} stops only its provider`, async () => {
    configure("local");
    spoil();
    await fixture.serve();
    const client = new KmsClient(fixture.socket);
    const plaintext = new Uint8Array(32).fill(1);
    const { keyId, ciphertext, annotations } = await client.encrypt({ plaintext });
    const opened = await client.decrypt({ keyId, ciphertext, annotations });
    assert.deepEqual([...opened.plaintext], [...plaintext]);
    client.close();
    const state = JSON.parse((await ask(admin, "/state")).text);
    assert.match(state.providers.other.refusal, sentence);
    assert.match(fixture.readLog(), sentence);
    const { status, stdout } = fixture.run("check");
    assert.equal(status, 1);
    assert.match(stdout, /^FAIL provider other: /m);
    assert.match(stdout, /^FAIL running host: provider other is not run: /m);
  });

test("Status fails if the active key is one of the refused provider, with the reason", async () => {
  configure("other");
  spawnSync("rm", [module]);
  fixture.spawn();
  await untilWell(async () => {
    const { status, text } = await ask(admin, "/readyz");
    assert.equal(status, 503);
    assert.match(text, /other\.wasm cannot be read \(ENOENT\)/);
  });
  const client = new KmsClient(fixture.socket);
  await assert.rejects(client.status(), /other\.wasm cannot be read \(ENOENT\)/);
  client.close();
});
