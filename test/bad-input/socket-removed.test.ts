/** The socket of a running host is removed, or replaced by something else. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

let fixture: Fixture;
let admin: string;
let socket: string;

beforeEach(async () => {
  fixture = new Fixture();
  admin = `127.0.0.1:${await freePort()}`;
  mkdirSync(join(fixture.folder, "run"), { mode: 0o700 });
  socket = join(fixture.folder, "run", "kms.sock");
  const changes = { listen: { socket: "run/kms.sock" }, admin: { listen: admin } };
  fixture.write(localConfig([{ name: "kek", use: "active" }], changes)).keyInit("kek");
  fixture.spawn();
  await untilWell(async () => assert.equal((await ask(admin, "/readyz")).status, 200));
});
afterEach(() => fixture.close());

async function assertServed(): Promise<void> {
  await untilWell(async () => {
    const client = new KmsClient(socket);
    try {
      assert.equal((await client.status()).healthz, "ok");
    } finally {
      client.close();
    }
  });
}

async function losses(): Promise<number> {
  const { text } = await ask(admin, "/metrics");
  return Number(/^kleidi_socket_losses_total\{listener="kms"\} (\d+)$/m.exec(text)?.[1]);
}

test("a socket that was removed is bound again, and its open connections stay open", async () => {
  const client = new KmsClient(socket);
  await client.status();
  const before = statSync(socket).ino;
  rmSync(socket);
  await assertServed();
  assert.notEqual(statSync(socket).ino, before);
  assert.equal((await client.status()).healthz, "ok");
  client.close();
  assert.equal(await losses(), 1);
  assert.match(fixture.readLog(), /"listener":"kms","msg":"the socket was removed or replaced/);
  assert.match(fixture.readLog(), /"listener":"kms","msg":"the socket is bound again"/);
});

test("a socket whose folder was emptied or made again is bound again, with its lock", async () => {
  rmSync(join(fixture.folder, "run"), { recursive: true });
  await untilWell(async () => assert.equal((await ask(admin, "/readyz")).status, 503));
  mkdirSync(join(fixture.folder, "run"), { mode: 0o700 });
  await assertServed();
  assert.match(fixture.run("serve").stderr, /a process is serving there already/);
});

test("a file in its place is reported and not removed; without it, the socket is bound again", async () => {
  rmSync(socket);
  writeFileSync(socket, "");
  await untilWell(async () => {
    const { text } = await ask(admin, "/readyz");
    assert.match(text, /a file that is not a socket is there/);
  });
  assert.ok(statSync(socket).isFile());
  rmSync(socket);
  await assertServed();
});

test("a socket of another process in its place is not replaced while that process listens", async () => {
  rmSync(socket);
  const other = createServer((connection) => connection.destroy()).listen(socket);
  await untilWell(async () => {
    const { text } = await ask(admin, "/readyz");
    assert.match(text, /a process is serving there already/);
  });
  await new Promise((resolve) => other.close(resolve));
  await assertServed();
});
