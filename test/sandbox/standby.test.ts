/** Providers with and without a standby process, with real processes. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { open, seal } from "../../host/kms/seal.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, localConfig, localModule, sha256Of } from "../support/fixture.ts";
import { type Sandbox, startSandbox } from "../support/sandbox.ts";
import { untilWell } from "../support/until-well.ts";
import { nodePid } from "../support/wall.ts";

const plaintext = new Uint8Array(32).fill(9);
const CALLS = 20;

async function start(name: string, standby: boolean): Promise<Sandbox> {
  const sandbox = await startSandbox(name, localModule, { keys: ["kek"], deadlineMs: 60_000, standby });
  after(() => sandbox.stop());
  return sandbox;
}

function useOf(provider: string) {
  return provider === "a" ? ("active" as const) : ("decrypt" as const);
}

test("without a standby there is one process; when it is killed it is replaced, and its calls wait and succeed", async () => {
  const one = await start("one", false);
  const two = await start("two", true);
  const { version } = await one.provider.status("kek");
  const key = await one.key("kek", version);
  const sealed = await seal(key, plaintext);
  // Started later, with the same delay.
  await untilWell(async () => assert.equal(two.supervisor.state().processes, 2));
  const [pid = 0, ...others] = one.supervisor.pids;
  assert.deepEqual(others, []);

  const calls = Array.from({ length: CALLS }, () => open(key, sealed));
  process.kill(nodePid(pid), "SIGKILL");
  for (const opened of await Promise.all(calls)) assert.deepEqual(opened, plaintext);
  await untilWell(async () => assert.equal(one.ends.length, 1));
  assert.deepEqual(await open(key, sealed), plaintext);
  const { state, processes, wanted, ends } = one.supervisor.state();
  assert.deepEqual({ state, processes, wanted, ends }, { state: "ready", processes: 1, wanted: 1, ends: 1 });
  assert.notEqual(one.supervisor.pids[0], pid);
});

test("of five providers only the one with standby: true has a standby, and state and check show it", async () => {
  const fixture = new Fixture();
  after(() => fixture.close());
  const admin = `127.0.0.1:${await freePort()}`;
  const names = ["a", "b", "c", "d", "e"];
  const keys = names.map((name) => ({ name: `kek-${name}`, provider: name, use: useOf(name) }));
  const providers = Object.fromEntries(
    names.map((name) => {
      const grants = { keystore: { keys: [`kek-${name}`] } };
      const limits = name === "a" ? { standby: true } : {};
      return [name, { module: localModule, sha256: sha256Of(localModule), grants, limits }];
    }),
  );
  fixture.write(localConfig(keys, { admin: { listen: admin }, providers }));
  for (const { name } of keys) fixture.keyInit(name);
  await fixture.serve();
  const state: { providers: Record<string, { wanted: number }> } = JSON.parse(
    (await ask(admin, "/state")).text,
  );
  assert.deepEqual(
    Object.entries(state.providers).map(([name, { wanted }]) => [name, wanted]),
    [
      ["a", 2],
      ["b", 1],
      ["c", 1],
      ["d", 1],
      ["e", 1],
    ],
  );
  const { stdout } = fixture.run("check");
  assert.match(stdout, /provider a is ready, [12] of 2 processes/);
  assert.match(stdout, /provider b is ready, 1 of 1 processes/);
});
