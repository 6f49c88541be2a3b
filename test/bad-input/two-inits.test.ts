/** "kleidi key init" in races: two at once, one beside a host that starts, one that is killed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";

const PAIRS = Number(process.env.KLEIDI_RACES ?? 8);
const LOCK = ".kleidi.lock";

function fixture(t: TestContext): Fixture {
  const made = new Fixture();
  t.after(() => made.close());
  return made.write(localConfig([{ name: "kek", use: "active" }]));
}

interface Ended {
  readonly status: number | null;
  readonly json: { readonly ok: boolean; readonly code?: string; readonly fingerprint?: string };
}

async function keyInit({ config }: Fixture): Promise<Ended> {
  const child = spawn(kleidi, ["key", "init", "--json", "--config", config], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  const [status] = await once(child, "close");
  return { status, json: JSON.parse(out) };
}

function listed(one: Fixture): string | undefined {
  return /fingerprint ([0-9a-f]{32})/.exec(one.run("key", "list").stdout)?.[1];
}

test(`when two key inits run at once, one creates the key that it prints and the other reports that it exists (${PAIRS} pairs)`, async (t) => {
  for (let i = 0; i < PAIRS; i++) {
    const one = fixture(t);
    const ended = await Promise.all([keyInit(one), keyInit(one)]);
    const [won, lost] = ended.sort((a, b) => (a.status ?? 9) - (b.status ?? 9));
    assert.deepEqual([won?.status, lost?.status, lost?.json.code], [0, 1, "key-exists"]);
    const keys = join(one.folder, "keys");
    assert.deepEqual(readdirSync(keys).sort(), [LOCK, "kek.json", "kek.key"]);
    assert.equal(JSON.parse(readFileSync(join(keys, "kek.json"), "utf8")).fingerprint, won?.json.fingerprint);
    assert.equal(listed(one), won?.json.fingerprint);
  }
});

test("hosts and lists that start beside a key init see either no key or the complete one", async (t) => {
  for (let i = 0; i < 4; i++) {
    const one = fixture(t);
    const host = one.spawn();
    const [made, list] = await Promise.all([
      keyInit(one),
      one.runAside("key", "list").catch((error: { stdout: string }) => error),
    ]);
    assert.equal(made.status, 0);
    assert.match(
      list.stdout,
      /fingerprint [0-9a-f]{32}|there is no such file, and no record that the key was created/,
    );
    // Regardless of its view, the next one serves.
    await Fixture.stop(host, "SIGKILL");
    await one.serve();
    assert.equal(listed(one), made.json.fingerprint);
  }
});

test("a host that starts removes the leftovers of a killed key init and serves", async (t) => {
  const one = fixture(t).keyInit("kek");
  const keys = join(one.folder, "keys");
  writeFileSync(join(keys, ".kek.key.new"), readFileSync(join(keys, "kek.key")), { mode: 0o600 });
  await one.serve();
  assert.deepEqual(readdirSync(keys).sort(), [LOCK, "kek.json", "kek.key"]);
});
