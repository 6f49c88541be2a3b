/** A provider whose processes exit repeatedly is quarantined, and Status, probes, metrics and check report it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const fixture = new Fixture();
after(() => fixture.close());

/** Undefined for a process that is gone. */
function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** A process that is gone already counts as killed. */
function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ESRCH");
  }
}

test("quarantine is reported by Status, readyz, metrics, state and check, and livez stays ok", async () => {
  const admin = `127.0.0.1:${await freePort()}`;
  fixture.write(localConfig([{ name: "kek", use: "active" }], { admin: { listen: admin } })).keyInit("kek");
  assert.match(fixture.run("check").stdout, /ok {3}running host: no host answers at 127\.0\.0\.1/);
  const host = await fixture.serve();
  const get = (path: string) => ask(admin, path);
  assert.deepEqual(await get("/readyz"), { status: 200, text: "ok\n" });
  assert.match(
    fixture.run("check").stdout,
    /ok {3}running host: provider local is ready, [12] of [12] processes/,
  );
  assert.match((await get("/metrics")).text, /^kleidi_provider_state\{provider="local",state="ready"\} 1$/m);

  const client = new KmsClient(fixture.socket);
  let said = "";
  while (!said.includes("quarantine")) {
    // A process of the wall is Node's parent: killed while it builds the wall, it would leave its child behind.
    for (const pid of children(host.pid ?? 0)) {
      const [node = pid] = children(pid);
      end(node);
    }
    await sleep(20);
    said = await client.status().then(
      () => "",
      (error) => `${error.code} ${error.details}`,
    );
  }
  client.close();
  assert.match(
    said,
    /^9 Cannot (status|encrypt|decrypt|call the provider): provider "local" is in quarantine, its process exited 10 times in a row, most recently: SIGKILL; it is tried again at 2\d{3}-/,
  );

  assert.equal((await get("/livez")).status, 200);
  const ready = await get("/readyz");
  assert.equal(ready.status, 503);
  assert.match(ready.text, /is in quarantine/);
  // Expensive responses are computed once a second.
  await untilWell(async () => {
    const { text } = await get("/metrics");
    assert.match(text, /^kleidi_provider_state\{provider="local",state="quarantined"\} 1$/m);
    assert.match(text, /^kleidi_provider_process_ends_total\{provider="local"\} 10$/m);
    const state = JSON.parse((await get("/state")).text);
    assert.equal(state.providers.local.state, "quarantined");
    assert.match(state.keys[0].failure, /is in quarantine/);
  });

  const check = fixture.run("check");
  assert.equal(check.status, 1);
  assert.match(
    check.stdout,
    /FAIL running host: provider local is in quarantine until 2\d{3}-.*: its process exited 10 times/,
  );
  assert.deepEqual(children(host.pid ?? 0), []);
  assert.equal(await Fixture.stop(host), 0);
});
