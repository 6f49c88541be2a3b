/** End to end: the signed log of a host is rewritten without its key. verify reports it, and no restart signs the forgery. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Chain, ZERO_HASH } from "../../host/audit/chain.ts";
import { LONGEST_RHYTHM, SHORTEST_RHYTHM } from "../../host/audit/rhythm.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";

/** The log level of pino. */
const ERROR = 50;
const plaintext = new Uint8Array(32);

function audit(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(kleidi, ["audit", ...args], { encoding: "utf8" });
}

const linesOf = (file: string) => readFileSync(file, "utf8").trimEnd().split("\n");
const recordsOf = (file: string) => linesOf(file).map((line) => JSON.parse(line));

/** Removes the records of one RPC and every checkpoint, and recomputes the chain. */
function forge(file: string, uid: string): void {
  const own = recordsOf(file);
  const chain = new Chain({ chain: own[0].chain, seq: 0, hash: ZERO_HASH });
  const kept = own.filter((record) => record.uid !== uid && record.kind !== "checkpoint");
  assert.ok(kept.length < own.length - 2);
  writeFileSync(file, `${kept.map((record) => chain.next(record, record.time).text).join("\n")}\n`);
}

describe("a log that was rewritten without the key", () => {
  const fixture = new Fixture();
  const file = join(fixture.folder, "audit.jsonl");
  const client = new KmsClient(fixture.socket);
  let publicKey: string;
  let admin: string;

  before(async () => {
    admin = `127.0.0.1:${await freePort()}`;
    publicKey = audit("key", join(fixture.folder, "audit.key")).stdout.trim();
    const checkpoints = { key: "audit.key", lines: 50, interval: "2s" };
    const changes = { audit: { file: "audit.jsonl", checkpoints }, admin: { listen: admin } };
    fixture.write(localConfig([{ name: "kek", use: "active" }], changes)).keyInit("kek");
    const host = await fixture.serve();
    const sealed = await client.encrypt({ plaintext, uid: "the-theft" });
    for (let i = 0; i < 30; i++) await client.decrypt({ ...sealed, uid: `uid-${i}` });
    assert.equal(await Fixture.stop(host), 0);
  });
  after(async () => {
    client.close();
    await fixture.close();
  });

  /** Replaces the test's folder, and the number of lines, which depends on the number of probes. */
  const plain = (text: string) => text.replaceAll(fixture.folder, "FOLDER").replace(/\d+ lines/g, "N lines");
  const untrusted = () => readdirSync(fixture.folder).filter((name) => name.startsWith("untrusted-"));

  test("verifies before it is changed, and names the rhythm of its checkpoints", () => {
    const { status, stdout } = audit("verify", "--key", publicKey, file);
    assert.equal(status, 0, stdout);
    const { checkpoint_lines, checkpoint_interval_ms } = recordsOf(file)[1];
    assert.deepEqual([checkpoint_lines, checkpoint_interval_ms], [50, 2_000]);
  });

  test("is rejected by verify, which names the first unsigned line", (t) => {
    forge(file, "the-theft");
    const { status, stdout } = audit("verify", "--key", publicKey, file);
    assert.equal(status, 1);
    t.assert.snapshot(plain(stdout));
    const { ok, fault } = JSON.parse(audit("verify", "--json", "--key", publicKey, file).stdout);
    assert.deepEqual([ok, fault.kind, fault.file, fault.line], [false, "unsigned", file, 1]);
    assert.equal(audit("verify", file).status, 0);
  });

  test("is set aside unchanged by a host that starts; the host serves, reports it, and begins a new log", async (t) => {
    const forged = readFileSync(file);
    await fixture.serve();
    await client.encrypt({ plaintext, uid: "after-the-forgery" });
    const [name = "", ...others] = untrusted();
    assert.deepEqual(others, []);
    assert.deepEqual(readFileSync(join(fixture.folder, name)), forged);
    const [genesis, start] = recordsOf(file);
    assert.deepEqual([genesis.kind, genesis.aside, start.kind], ["genesis", name, "start"]);
    t.assert.snapshot(plain(genesis.why));
    const told = fixture
      .readLog()
      .split("\n")
      .filter((line) => line.includes("it was set aside, and a new chain begins"))
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      told.map(({ level, aside, why }) => [level, aside, why]),
      [[ERROR, name, genesis.why]],
    );
    const { text } = await ask(admin, "/metrics");
    assert.match(text, /^kleidi_audit_untrusted_files 1$/m);
  });

  test("is not signed by a restart: the new log verifies, and the forgery still fails", () => {
    const { status, stdout } = audit("verify", "--key", publicKey, file);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /:1: the host set aside a log that it did not trust, untrusted-/);
    const [name = ""] = untrusted();
    assert.equal(audit("verify", "--key", publicKey, join(fixture.folder, name)).status, 1);
  });
});

test("the log of a host with a key that is killed many times is never reported as forged", async () => {
  const fixture = new Fixture();
  const client = new KmsClient(fixture.socket);
  try {
    const publicKey = audit("key", join(fixture.folder, "audit.key")).stdout.trim();
    const checkpoints = { key: "audit.key", lines: 20, interval: "1s" };
    fixture
      .write(localConfig([{ name: "kek", use: "active" }], { audit: { file: "audit.jsonl", checkpoints } }))
      .keyInit("kek");
    for (let i = 0; i < 4; i++) {
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      const calls = Array.from({ length: 32 }, () => client.decrypt(sealed).catch(() => {}));
      await sleep(5 + 10 * i);
      await Fixture.stop(host, "SIGKILL");
      await Promise.all(calls);
    }
    const { status, stdout } = audit("verify", "--key", publicKey, join(fixture.folder, "audit.jsonl"));
    assert.equal(status, 0, stdout);
    assert.ok(!readdirSync(fixture.folder).some((name) => name.startsWith("untrusted-")));
  } finally {
    client.close();
    await fixture.close();
  }
});

test("the longest and the shortest rhythm of verify equal those of the configuration", () => {
  const parsed = (lines: number, ms: number) => () =>
    parseConfig(
      localConfig([{ name: "kek", use: "active" }], {
        audit: { stdout: true, checkpoints: { key: "k", lines, interval: `${ms}ms` } },
      }),
      "/etc/kleidi/k.yaml",
    ).audit?.checkpoints;
  for (const { lines, intervalMs } of [LONGEST_RHYTHM, SHORTEST_RHYTHM]) {
    const found = parsed(lines, intervalMs)();
    assert.deepEqual([found?.lines, found?.intervalMs], [lines, intervalMs]);
  }
  const { lines: most, intervalMs: longest } = LONGEST_RHYTHM;
  const { lines: fewest, intervalMs: shortest } = SHORTEST_RHYTHM;
  for (const wrong of [
    parsed(most + 1, longest),
    parsed(most, longest + 1),
    parsed(fewest - 1, shortest),
    parsed(fewest, shortest - 1),
  ])
    assert.throws(wrong, { code: "config-invalid" });
});
