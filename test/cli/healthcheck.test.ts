/** `kleidi healthcheck` distinguishes its failures, and waits. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const isRoot = process.getuid?.() === 0;
const KEY = { name: "kek", use: "active" } as const;
let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture();
  fixture.write(localConfig([KEY])).keyInit("kek");
});
afterEach(() => fixture.close());

test("no host and no socket: not running", () => {
  const { status, stdout } = fixture.run("healthcheck");
  assert.equal(status, 1);
  assert.match(stdout, /^FAIL status: not running: no process listens on .*kms\.sock \(ENOENT\)$/m);
});

test("a socket that another user may not connect to: not permitted", {
  skip: !isRoot && "needs root",
}, async () => {
  await fixture.serve();
  chmodSync(fixture.folder, 0o755);
  const arguments_ = ["--reuid=61234", "--regid=61234", "--clear-groups", kleidi, "healthcheck"];
  const { status, stdout, stderr } = spawnSync("setpriv", [...arguments_, "--socket", fixture.socket], {
    encoding: "utf8",
  });
  assert.equal(status, 1, stderr);
  assert.match(stdout, /not permitted: .*belongs to uid 0 and gid 0, mode 0600/);
});

test("a host whose key has another version than the pinned one: not ready", async () => {
  fixture.write(localConfig([{ ...KEY, version: "0123456789abcdef" } as typeof KEY]));
  fixture.spawn();
  await untilWell(async () => assert.match(fixture.readLog(), /the configuration pins/));
  const { status, stdout } = fixture.run("healthcheck", "--wait", "500ms");
  assert.equal(status, 1);
  assert.match(stdout, /^FAIL status: not ready: .*the configuration pins 0123456789abcdef/m);
});

test("--wait waits for a host that is starting", () => {
  fixture.spawn();
  const { status, stdout } = fixture.run("healthcheck", "--wait", "60s");
  assert.equal(status, 0, stdout);
});

test("a duration that cannot be read is a usage error", () => {
  const { status, stderr } = fixture.run("healthcheck", "--wait", "soon");
  assert.equal(status, 2);
  assert.match(stderr, /expected a duration such as 500ms, 30s or 5m/);
});
