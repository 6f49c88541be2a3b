/** `kleidi key refresh` asks the running host over its admin socket, and says why it cannot. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { freePort } from "../support/admin.ts";
import { Fixture, localConfig } from "../support/fixture.ts";

const KEY = { name: "kek", use: "active" } as const;
const SOCKET = { listen: "unix:admin.sock" };
let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture();
});
afterEach(() => fixture.close());

function configure(admin: Record<string, unknown> | undefined): void {
  fixture.write(localConfig([KEY], admin === undefined ? {} : { admin })).keyInit("kek");
}

/** @returns the JSON object that the command printed, and its exit code */
async function refresh() {
  const { status, stdout, stderr } = fixture.run("key", "refresh", "--json");
  assert.notEqual(stdout, "", stderr);
  return { status, ...JSON.parse(stdout) };
}

test("a running host probes its keys, and names their versions", async () => {
  configure(SOCKET);
  await fixture.serve();
  const { status, ok, findings } = await refresh();
  assert.deepEqual([status, ok, findings.length], [0, true, 1]);
  assert.match(findings[0].detail, /^active, version [0-9a-f]{32}, key_id sha256 [0-9a-f]{16}$/);
});

test("a host that does not run", async () => {
  configure(SOCKET);
  const { status, code, message } = await refresh();
  assert.deepEqual([status, code], [1, "admin-refused"]);
  assert.match(message, /no host listens on unix:.*admin\.sock \(ENOENT\)/);
});

test("a socket that a group may open is read-only", async () => {
  configure({ ...SOCKET, mode: "0660" });
  await fixture.serve();
  const { status, code, hint } = await refresh();
  assert.deepEqual([status, code], [1, "admin-refused"]);
  assert.match(hint, /Remove admin\.mode/);
});

test("an address takes no actions", async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  configure({ listen });
  await fixture.serve();
  const { status, code } = await refresh();
  assert.deepEqual([status, code], [1, "admin-refused"]);
  const response = await fetch(`http://${listen}/refresh`, { method: "POST" });
  assert.equal(response.status, 405);
});

test("a configuration without an admin listener", async () => {
  configure(undefined);
  const { status, code, message } = await refresh();
  assert.deepEqual([status, code], [1, "admin-refused"]);
  assert.match(message, /has no admin listener/);
});
