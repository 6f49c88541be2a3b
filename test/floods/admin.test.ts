/** A real host whose admin listener is attacked: it keeps serving keys, and the listener still answers a client that asks once. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { statSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { pipelined } from "../support/floods.ts";
import { samplesOf, total } from "../support/promtool.ts";
import { untilWell } from "../support/until-well.ts";

const SILENT = 300;

async function start(t: TestContext, listen?: (fixture: Fixture) => string) {
  const fixture = new Fixture();
  t.after(() => fixture.close());
  const port = await freePort();
  const admin = `127.0.0.1:${port}`;
  fixture.write(
    localConfig([{ name: "kek", use: "active" }], { admin: { listen: listen?.(fixture) ?? admin } }),
  );
  fixture.keyInit("kek");
  return { fixture, admin, port };
}

async function assertServes(socket: string): Promise<void> {
  const client = new KmsClient(socket);
  try {
    await client.encrypt({ plaintext: new Uint8Array(32) });
  } finally {
    client.close();
  }
}

function caller(t: TestContext, port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  return socket;
}

const linesWith = (fixture: Fixture, ...texts: string[]) =>
  fixture
    .readLog()
    .split("\n")
    .filter((line) => texts.every((text) => line.includes(text)));

test("1,400 requests on one connection that reads nothing count as one request, and are logged once", async (t) => {
  const { fixture, admin, port } = await start(t);
  const host = await fixture.serve();
  for (let i = 0; i < 5; i++) caller(t, port).pause().write(pipelined(1400));
  const told = () => linesWith(fixture, '"listener":"admin"', '"reason":"pipelined"').length;
  await untilWell(async () => assert.equal(told(), 1));
  await untilWell(async () => {
    const samples = samplesOf((await ask(admin, "/metrics")).text);
    const pipelined = { listener: "admin", reason: "pipelined" };
    assert.equal(total(samples, "kleidi_connections_closed_total", pipelined), 5);
  });
  await assertServes(fixture.socket);
  assert.equal((await ask(admin, "/livez")).status, 200);
  assert.deepEqual([host.exitCode, host.signalCode], [null, null]);
  assert.equal(told(), 1);
});

test("silent connections keep no client out, and are logged once", async (t) => {
  const { fixture, admin, port } = await start(t);
  await fixture.serve();
  for (let i = 0; i < SILENT; i++) await once(caller(t, port), "connect");
  for (const path of ["/livez", "/readyz", "/metrics", "/state", "/"])
    assert.equal((await ask(admin, path)).status, 200, path);
  // Some were opened so slowly that they were closed as late.
  await untilWell(async () => {
    const samples = samplesOf((await ask(admin, "/metrics")).text);
    const closed = total(samples, "kleidi_connections_closed_total", { listener: "admin" });
    assert.ok(closed >= SILENT - 128, `${closed} closed`);
  });
  assert.equal(linesWith(fixture, '"listener":"admin"', '"reason":"replaced"').length, 1);
  await assertServes(fixture.socket);
});

test("keys are served while another program has the admin address, and the host takes it once it is free", async (t) => {
  const { fixture, admin, port } = await start(t);
  const thief = createServer((socket) => socket.destroy());
  await once(thief.listen(port, "127.0.0.1"), "listening");
  t.after(() => thief.close());
  await fixture.serve();
  await assertServes(fixture.socket);
  const said = `Cannot listen on ${admin} for metrics and probes: the system refuses it (EADDRINUSE); keys are served without it`;
  await untilWell(async () => assert.equal(linesWith(fixture, said, '"code":"admin-refused"').length, 1));
  await new Promise((resolve) => thief.close(resolve));
  await untilWell(async () => assert.equal((await ask(admin, "/livez")).status, 200));
  const samples = samplesOf((await ask(admin, "/metrics")).text);
  assert.ok(total(samples, "kleidi_admin_listen_failures_total") >= 1);
  await untilWell(async () =>
    assert.equal(linesWith(fixture, "the admin listener has its address now", admin).length, 1),
  );
  assert.equal(linesWith(fixture, said).length, 1, "logged once, regardless of the number of attempts");
});

test("a host without its admin address stops when asked to", async (t) => {
  const { fixture, port } = await start(t);
  const thief = createServer();
  await once(thief.listen(port, "127.0.0.1"), "listening");
  t.after(() => thief.close());
  assert.equal(await Fixture.stop(await fixture.serve()), 0);
});

test("an admin socket is accessible to its owner only, and check queries it", async (t) => {
  const { fixture } = await start(t, () => "unix:admin.sock");
  const path = join(fixture.folder, "admin.sock");
  const before = fixture.run("check");
  assert.match(before.stdout, new RegExp(`no host answers at unix:${path}`));
  const host = await fixture.serve();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const { stdout, status } = fixture.run("check");
  assert.match(stdout, /provider local is ready/);
  assert.equal(status, 0);
  assert.equal(await Fixture.stop(host), 0);
  assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
});
