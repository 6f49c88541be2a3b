/** A running host takes another configuration: by the command, by SIGHUP and by a changed file; a refusal is told everywhere. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { freePort } from "../support/admin.ts";
import { Fixture, type Key, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const KEYS: readonly Key[] = [
  { name: "one", use: "active" },
  { name: "two", use: "decrypt" },
];
const PROMOTED: readonly Key[] = [
  { name: "one", use: "decrypt" },
  { name: "two", use: "active" },
];
let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture();
});
afterEach(() => fixture.close());

/** Writes the configuration of KEYS and creates them. */
function prepare(changes: Record<string, unknown>): void {
  fixture.write(localConfig(KEYS, changes));
  for (const { name } of KEYS) fixture.keyInit(name);
}

async function keyId(): Promise<string> {
  const client = new KmsClient(fixture.socket);
  try {
    return (await client.status()).keyId;
  } finally {
    client.close();
  }
}

function reload() {
  const { status, stdout, stderr } = fixture.run("reload", "--json");
  assert.notEqual(stdout, "", stderr);
  return { status, ...JSON.parse(stdout) };
}

describe("kleidi reload", () => {
  const SOCKET = { admin: { listen: "unix:admin.sock" } };

  test("prints the change, and exits with 0; after a refusal the reason and the remedy, and exits with 1", async (t) => {
    prepare(SOCKET);
    await fixture.serve();
    const before = await keyId();
    fixture.write(localConfig(PROMOTED, SOCKET));
    const applied = reload();
    assert.deepEqual([applied.status, applied.ok], [0, true]);
    assert.match(applied.findings[0].detail, /^the host serves with it; configuration sha256 [0-9a-f]{16}…$/);
    const after = await keyId();
    assert.notEqual(after, before);

    fixture.write(localConfig(KEYS, { ...SOCKET, listen: { socket: "other.sock" } }));
    const refused = reload();
    assert.deepEqual([refused.status, refused.ok], [1, false]);
    const [{ detail, hint }] = refused.findings;
    t.assert.snapshot([detail.replace(fixture.folder, "FOLDER"), hint]);
    assert.equal(await keyId(), after);
  });

  test("says so if no host runs", () => {
    prepare(SOCKET);
    const { status, code } = reload();
    assert.deepEqual([status, code], [1, "admin-refused"]);
  });
});

test("SIGHUP reloads; a refusal is in the log, /readyz, /state, the metrics, the page and check, and goes with the next reload", async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  const changes = { admin: { listen } };
  prepare(changes);
  const host = await fixture.serve();
  const get = async (path: string) => await (await fetch(`http://${listen}${path}`)).text();
  const before = await keyId();
  fixture.write("keys: [}");
  host.kill("SIGHUP");
  await untilWell(async () => assert.match(await get("/readyz"), /^ok\nthe reload at 2\S+Z was refused: /));
  await untilWell(async () => {
    assert.match(await get("/metrics"), /^kleidi_config_reloads_total\{result="refused"\} 1$/m);
    assert.match(await get("/metrics"), /^kleidi_config_last_reload_successful 0$/m);
    assert.equal(JSON.parse(await get("/state")).lastReload.outcome, "refused");
    assert.match(await get("/"), /The reload at .* was refused/);
  });
  assert.match(fixture.readLog(), /"code":"reload-refused"/);
  assert.equal(await keyId(), before);

  fixture.write(localConfig(KEYS, { ...changes, listen: { socket: "other.sock" } }));
  const check = fixture.run("check");
  assert.equal(check.status, 1);
  assert.match(check.stdout, /FAIL running host: its reload at 2\S+Z was refused/);
  assert.match(check.stdout, /FAIL running host: .* with another configuration/);

  fixture.write(localConfig(PROMOTED, changes));
  host.kill("SIGHUP");
  await untilWell(async () => assert.equal(await get("/readyz"), "ok\n"));
  assert.notEqual(await keyId(), before);
  const after = fixture.run("check");
  assert.equal(after.status, 0, after.stdout);
  assert.equal(await Fixture.stop(host), 0);
});

test("with reload.onChange a changed file is applied, without a signal", async () => {
  const changes = { reload: { onChange: true } };
  prepare(changes);
  const host = await fixture.serve();
  const before = await keyId();
  fixture.write(localConfig(PROMOTED, changes));
  await untilWell(async () => assert.notEqual(await keyId(), before));
  assert.equal(await Fixture.stop(host), 0);
});

test("signals to reload that come while the host starts, and many of them, end nothing", async () => {
  prepare({});
  const host = fixture.spawn();
  // Before its first line of the log it may not be Node yet.
  await untilWell(async () => assert.notEqual(fixture.readLog(), ""));
  const storm = setInterval(() => host.kill("SIGHUP"), 20);
  try {
    await untilWell(async () => {
      assert.deepEqual([host.exitCode, host.signalCode], [null, null]);
      await keyId();
    });
  } finally {
    clearInterval(storm);
  }
  fixture.write(localConfig(PROMOTED));
  const before = await keyId();
  host.kill("SIGHUP");
  await untilWell(async () => assert.notEqual(await keyId(), before));
  assert.equal(await Fixture.stop(host), 0);
});
