/** A serving host gets another configuration: what is applied, what is refused, and that no caller notices. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Fixture, type Key, localConfig } from "../../test/support/fixture.ts";
import { loadConfig } from "../config/load.ts";
import { KleidiError } from "../error.ts";
import { KmsClient } from "../grpc/client.ts";
import { createLog } from "../telemetry/log.ts";
import { AuditObserver } from "./audit-observer.ts";
import { Host } from "./host.ts";
import type { Reload } from "./observer.ts";
import type { ReloadVerdict } from "./reload.ts";

const PLAINTEXT = new Uint8Array(32).fill(7);
const CALLERS = 64;
const KEYS: readonly Key[] = [
  { name: "one", use: "active" },
  { name: "two", use: "decrypt" },
];
const PROMOTED: readonly Key[] = [
  { name: "one", use: "decrypt" },
  { name: "two", use: "active" },
];

interface Setting {
  readonly made: Fixture;
  readonly host: Host;
  readonly client: KmsClient;
}

async function serving(t: TestContext, text = config(KEYS)): Promise<Setting> {
  const made = new Fixture();
  const spare: Key = { name: "three", use: "decrypt" };
  made.write(config([...KEYS, spare]));
  for (const { name } of [...KEYS, spare]) made.keyInit(name);
  made.write(text);
  const parsed = loadConfig(made.config);
  const host = await Host.open(parsed, createLog(parsed.log), "0.0.0");
  const client = new KmsClient(made.socket);
  t.after(async () => {
    client.close();
    await host.close("the test is over");
    made.close();
  });
  await host.serve();
  await host.start();
  return { made, host, client };
}

function config(keys: readonly Key[], changes: Record<string, unknown> = {}): string {
  return localConfig(keys, { audit: { file: "audit.log" }, ...changes });
}

/** The configuration of KEYS with another value in its provider. */
function withProvider(changes: Record<string, unknown>, keys = KEYS): string {
  const parsed = JSON.parse(config(keys));
  Object.assign(parsed.providers.local, changes);
  return JSON.stringify(parsed);
}

/** @returns the code of a refusal, or "applied" with the names of the providers that were started and stopped */
function shown(verdict: ReloadVerdict): string {
  if (verdict.outcome === "refused") return verdict.failure.code;
  return `applied +${verdict.opened.join()} -${verdict.closed.join()}`;
}

/** Callers that encrypt and decrypt without a pause, until `end`, which returns the number of their calls. The first failure rejects. */
function callers(socket: string, count = CALLERS): { end(): Promise<number> } {
  let over = false;
  let calls = 0;
  const clients = Array.from({ length: 8 }, () => new KmsClient(socket));
  const all = Array.from({ length: count }, async (_, nth) => {
    const client = clients[nth % clients.length] as KmsClient;
    const first = await client.encrypt({ plaintext: PLAINTEXT });
    while (!over) {
      const sealed = await client.encrypt({ plaintext: PLAINTEXT });
      for (const each of [first, sealed]) {
        const { plaintext } = await client.decrypt(each);
        assert.deepEqual(new Uint8Array(plaintext), PLAINTEXT);
      }
      calls += 3;
    }
  });
  // Observed at once, so that a failure is not unhandled.
  const ended = Promise.allSettled(all);
  return {
    async end() {
      over = true;
      for (const result of await ended) if (result.status === "rejected") throw result.reason;
      for (const client of clients) client.close();
      return calls;
    },
  };
}

function audited(made: Fixture, kind: string): Record<string, unknown>[] {
  const lines = readFileSync(join(made.folder, "audit.log"), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line)).filter((record) => record.kind === kind);
}

test("a promotion is in Status when the reload ends, the provider goes on, and what was written before is read", async (t) => {
  const { made, host, client } = await serving(t);
  const sealed = await client.encrypt({ plaintext: PLAINTEXT });
  const before = (await client.status()).keyId;
  made.write(config(PROMOTED));
  assert.equal(shown(await host.reload()), "applied + -");
  const after = (await client.status()).keyId;
  assert.notEqual(after, before);
  assert.equal((await client.encrypt({ plaintext: PLAINTEXT })).keyId, after);
  assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), PLAINTEXT);
  const sha256 = loadConfig(made.config).sha256;
  assert.deepEqual(
    audited(made, "reload").map((record) => [record.outcome, record.config, record.reason]),
    [["applied", sha256, undefined]],
  );
});

test(`no call of ${CALLERS} callers fails while providers are replaced, added and removed, and keys change their use`, async (t) => {
  const { made, host } = await serving(t);
  const load = callers(made.socket);
  const second = JSON.parse(config(PROMOTED));
  second.providers.other = { ...second.providers.local, grants: { keystore: { keys: ["three"] } } };
  second.keys.push({ name: "three", use: "decrypt", provider: "other" });
  const shapes = [
    [withProvider({ limits: { queue: 512 } }), "applied +local -local"],
    [JSON.stringify(second), "applied +local,other -local"],
    [config(PROMOTED), "applied + -other"],
    [config(KEYS, { status: { interval: "2s" } }), "applied + -"],
  ] as const;
  for (let round = 0; round < 2; round++)
    for (const [text, verdict] of shapes) {
      made.write(text);
      assert.equal(shown(await host.reload()), verdict);
    }
  assert.ok((await load.end()) > CALLERS);
});

describe("a configuration that does not work", () => {
  const REFUSED: readonly [string, string | (() => string)][] = [
    ["an empty file", ""],
    ["text that is not YAML", "keys: [}"],
    ["an unknown key", config(KEYS, { lissten: {} })],
    ["no active key", config(KEYS.map(({ name }) => ({ name, use: "decrypt" as const })))],
    ["two active keys", config(KEYS.map(({ name }) => ({ name, use: "active" as const })))],
    ["no keys", config([])],
    ["a key that was not created", config([...KEYS, { name: "four", use: "decrypt" }])],
    [
      "a key with another provider",
      () => {
        const parsed = JSON.parse(config(KEYS));
        parsed.providers.other = { ...parsed.providers.local, grants: { keystore: { keys: ["two"] } } };
        parsed.providers.local.grants.keystore.keys = ["one"];
        parsed.keys[1].provider = "other";
        return JSON.stringify(parsed);
      },
    ],
    ["a key of an unknown provider", config([...KEYS, { name: "three", use: "decrypt", provider: "x" }])],
    ["another digest", withProvider({ sha256: "0".repeat(64) })],
    ["a missing module", withProvider({ module: "/nonexistent.wasm" })],
    ["a module that is not a module", () => withProvider({ module: "/etc/passwd" })],
    ["no grant", withProvider({ grants: {} })],
    ["a grant of one key only", withProvider({ grants: { keystore: { keys: ["one"] } } })],
    ["a limit out of its range", withProvider({ limits: { memory: "0MiB" } })],
    ["another folder of keys", config(KEYS, { keystore: { directory: "/nonexistent" } })],
    ["another socket", config(KEYS, { listen: { socket: "other.sock" } })],
    ["another audit log", config(KEYS, { audit: { file: "other.log" } })],
    ["another log", config(KEYS, { log: { file: "other-log" } })],
    ["another wall", config(KEYS, { sandbox: { wall: "none" } })],
    [
      "a pin that the key does not have",
      () => {
        const parsed = JSON.parse(config(KEYS));
        parsed.keys[0].version = "0".repeat(64);
        return JSON.stringify(parsed);
      },
    ],
  ];

  test(`is refused and changes nothing, under the load of ${CALLERS} callers (${REFUSED.length} configurations)`, async (t) => {
    const { made, host, client } = await serving(t);
    const before = (await client.status()).keyId;
    const load = callers(made.socket);
    for (const [name, text] of REFUSED) {
      made.write(typeof text === "string" ? text : text());
      const verdict = await host.reload();
      assert.equal(shown(verdict), "reload-refused", name);
      assert.equal((await client.status()).keyId, before, name);
    }
    assert.ok((await load.end()) > CALLERS);
    assert.equal(audited(made, "reload").length, REFUSED.length);
    made.write(config(KEYS));
    assert.equal(shown(await host.reload()), "applied + -");
  });
});

test("a key that fails already does not stop the change of another one; a key that works and would fail does", async (t) => {
  const changes = { status: { interval: "2s" } };
  const pinned = (settings: Record<string, unknown> = {}) => {
    const parsed = JSON.parse(config(KEYS, settings));
    parsed.keys[1].version = "0".repeat(64);
    return JSON.stringify(parsed);
  };
  const failing = await serving(t, pinned());
  failing.made.write(pinned(changes));
  assert.equal(shown(await failing.host.reload()), "applied + -");
  const good = await serving(t);
  good.made.write(pinned(changes));
  assert.equal(shown(await good.host.reload()), "reload-refused");
});

test("reloads that are asked for at the same time share one, which reads the file after all of them", async (t) => {
  const { made, host, client } = await serving(t);
  const first = host.reload();
  writeFileSync(made.config, config(PROMOTED));
  const verdicts = await Promise.all([first, host.reload(), host.reload(), host.reload()]);
  assert.deepEqual(verdicts.map(shown), Array(4).fill("applied + -"));
  assert.equal(new Set(verdicts).size <= 2, true);
  assert.equal(audited(made, "reload").length <= 2, true);
  await client.status();
});

test("a host that is closed during a reload leaves no process and no socket behind", async (t) => {
  const { made, host } = await serving(t);
  made.write(withProvider({ limits: { queue: 512 } }));
  const reload = host.reload();
  await host.close("it was asked to stop");
  assert.equal(shown(await reload), "reload-refused");
});

test("reloads leave no process, no descriptor and no word of a failure behind", async (t) => {
  const { made, host, client } = await serving(t);
  const children = () =>
    readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").length;
  const replace = async (queue: number) => {
    made.write(withProvider({ limits: { queue } }));
    assert.equal(shown(await host.reload()), "applied +local -local");
    await client.encrypt({ plaintext: PLAINTEXT });
  };
  await replace(300);
  const before = { children: children(), descriptors: readdirSync("/proc/self/fd").length };
  for (let queue = 301; queue < 309; queue++) await replace(queue);
  // The former set ends when its last call has ended; the standby process of the last one comes later.
  for (let look = 0; look < 200 && children() > before.children; look++) await sleep(50);
  assert.ok(children() <= before.children, `${children()} processes, before ${before.children}`);
  assert.ok(readdirSync("/proc/self/fd").length <= before.descriptors + 2);
  assert.deepEqual(
    readFileSync(made.log, "utf8")
      .split("\n")
      .filter((line) => /"level":(40|50|60)/.test(line)),
    [],
  );
});

test("a reload that the audit log cannot record is refused", async (t) => {
  const { made, host, client } = await serving(t);
  const before = (await client.status()).keyId;
  // In place of a full disk, which would refuse the calls of this test too.
  const full = t.mock.method(AuditObserver.prototype, "reloaded", ({ outcome }: Reload) => {
    if (outcome === "applied") throw new KleidiError("audit-failed/sinks", "Cannot audit: the disk is full");
  });
  made.write(config(PROMOTED));
  assert.equal(shown(await host.reload()), "reload-refused");
  assert.equal((await client.status()).keyId, before);
  full.mock.restore();
  assert.equal(shown(await host.reload()), "applied + -");
});
