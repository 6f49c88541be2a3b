/** Host on its own: it can be closed in each state, and a host that cannot be opened leaves nothing behind. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { failureOf } from "../../test/support/failures.ts";
import { Fixture, localConfig } from "../../test/support/fixture.ts";
import { loadConfig } from "../config/load.ts";
import { KmsClient } from "../grpc/client.ts";
import { createLog } from "../telemetry/log.ts";
import { Host } from "./host.ts";

const PLAINTEXT = new Uint8Array(32).fill(7);

/** Encrypts, decrypts and compares. */
async function assertServes(made: Fixture): Promise<void> {
  const client = new KmsClient(made.socket);
  try {
    const sealed = await client.encrypt({ plaintext: PLAINTEXT });
    const { plaintext } = await client.decrypt(sealed);
    assert.deepEqual(new Uint8Array(plaintext), PLAINTEXT);
  } finally {
    client.close();
  }
}

function fixture(t: TestContext, changes: Record<string, unknown> = {}): Fixture {
  const made = new Fixture();
  t.after(() => made.close());
  return made.write(localConfig([{ name: "one", use: "active" }], changes)).keyInit("one");
}

async function open(made: Fixture): Promise<Host> {
  const config = loadConfig(made.config);
  return await Host.open(config, createLog(config.log), "0.0.0");
}

/** The kinds of the audit log's lifecycle records, in order. */
function auditedActions(made: Fixture): string[] {
  const lines = readFileSync(join(made.folder, "audit.log"), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line)).flatMap(({ kind, reason }) => [reason ?? kind]);
}

test("a host serves from serve and start until close, and leaves no socket behind", async (t) => {
  const made = fixture(t);
  const host = await open(made);
  t.after(() => host.close("the test is over"));
  assert.equal(existsSync(made.socket), false);
  await host.serve();
  await host.start();
  await assertServes(made);
  await host.close("the test is over");
  assert.equal(existsSync(made.socket), false);
});

for (const [state, advance] of [
  ["only open", async () => {}],
  ["serving and not started", (host: Host) => host.serve()],
  ["started and not serving", (host: Host) => host.start()],
] as const) {
  test(`a host that is ${state} can be closed, and its folder is free for the next host`, async (t) => {
    const made = fixture(t, { audit: { file: "audit.log" } });
    const host = await open(made);
    await advance(host);
    await host.close("it was asked to stop");
    const next = await open(made);
    await next.serve();
    await next.close("it was asked to stop");
  });
}

test("two hosts of one process share nothing: closing one leaves the other serving", async (t) => {
  const [first, second] = [fixture(t), fixture(t)];
  const [closed, serving] = [await open(first), await open(second)];
  for (const host of [closed, serving]) {
    await host.serve();
    await host.start();
  }
  await closed.close("it was asked to stop");
  await assertServes(second);
  await serving.close("it was asked to stop");
});

test("a host that cannot be opened closes its audit log, which names the reason", async (t) => {
  const made = fixture(t, { audit: { file: "audit.log" } });
  const config = loadConfig(made.config);
  const [provider] = config.providers;
  assert.ok(provider !== undefined);
  const wrong = { ...config, providers: [{ ...provider, sha256: "0".repeat(64) }] };
  const { code } = await failureOf(() => Host.open(wrong, createLog(config.log), "0.0.0"));
  assert.equal(code, "digest-differs");
  assert.match(auditedActions(made).join("\n"), /it could not be started/);
  const next = await open(made);
  await next.close("it was asked to stop");
});

test("a host whose socket is in use does not serve, and can be closed", async (t) => {
  const made = fixture(t);
  const first = await open(made);
  await first.serve();
  const second = await open(made);
  assert.equal((await failureOf(() => second.serve())).code, "socket-refused");
  await second.close("it could not be started");
  assert.equal(existsSync(made.socket), true, "the socket of the first host is still there");
  await first.close("it was asked to stop");
});

test("rotating without an audit log does nothing", async (t) => {
  const host = await open(fixture(t));
  host.rotateAuditLog();
  await host.close("it was asked to stop");
});
