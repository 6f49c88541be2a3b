/** The report of a node: the time of the active key, and false reports of kleidi or an API server. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sampleOf } from "../../host/cluster/samples.ts";
import { ApiError } from "../../host/migration/api.ts";
import type { HeldKey, KleidiNodeStatus } from "../api/kleidi-node.ts";
import type { Client } from "../cluster/client.ts";
import { NodeAgent } from "./agent.ts";
import { EncryptionMetrics } from "./api-server-metrics.ts";
import { parseState } from "./host-state.ts";
import { reportOf } from "./report.ts";

const [A, B] = ["a", "b"].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string];
const NOW = Date.UTC(2026, 0, 1);

const held = (hash: string, use: HeldKey["use"], ready = true): HeldKey => {
  return { name: hash === A ? "kek-1" : "kek-2", provider: "local", use, ready, hashes: [hash] };
};
const parts = (...keys: HeldKey[]) => ({ host: { reachable: true, ready: true }, keys });

describe("reportOf", () => {
  const first = reportOf(parts(held(A, "active")), {}, 30, NOW);

  test("remembers when the active key became active, and the previous key", () => {
    assert.deepEqual(first.active, { hash: A, since: "2026-01-01T00:00:00.000Z" });
    const same = reportOf(parts(held(A, "active")), first, 30, NOW + 1000);
    assert.deepEqual(same.active, first.active);
    const next = reportOf(parts(held(B, "active"), held(A, "decrypt")), same, 30, NOW + 2000);
    assert.deepEqual(next.active, { hash: B, since: "2026-01-01T00:00:02.000Z", previous: A });
    assert.equal(next.activeKey, "kek-2");
  });

  test("keeps the active key while kleidi does not answer, or its new key is not ready", () => {
    const silent = reportOf({ host: { reachable: false, ready: false } }, first, 30, NOW + 1000);
    assert.deepEqual(silent.active, first.active);
    assert.deepEqual(
      silent.conditions?.map(({ type, reason }) => [type, reason]),
      [
        ["Ready", "Unreachable"],
        ["APIServerObserved", "NoMetrics"],
      ],
    );
    const failing = reportOf(parts(held(B, "active", false)), first, 30, NOW + 1000);
    assert.deepEqual(failing.active, first.active);
  });
});

describe("parseState", () => {
  const state = {
    version: "1.0.0",
    wall: "landlock",
    startedAt: NOW,
    configurationSha256: "c".repeat(64),
    providers: { local: { module: { name: "local", version: "1", sha256: "d".repeat(64) } }, other: {} },
    keys: [
      {
        name: "kek-1",
        provider: "local",
        use: "active",
        key_id_sha256: "a",
        key_id_hashes: [A, "a key_id", 7],
      },
      { name: "kek-2", provider: "local", use: "decrypt", failure: "no" },
    ],
  };

  test("accepts hashes only", () => {
    const { host, modules, keys } = parseState(state);
    assert.equal(host?.configurationHash, `sha256:${"c".repeat(64)}`);
    assert.deepEqual(
      modules?.map(({ provider }) => provider),
      ["local"],
    );
    assert.deepEqual(
      keys?.map(({ ready, hashes }) => [ready, hashes]),
      [
        [true, [A]],
        [false, []],
      ],
    );
  });

  const REFUSED: readonly (readonly [string, unknown])[] = [
    ["null", null],
    ["a list", []],
    ["no keys", { ...state, keys: undefined }],
    ["a key that is not an object", { ...state, keys: ["kek-1"] }],
    ["a name that is not text", { ...state, keys: [{ name: 1, provider: "local" }] }],
    ["a start that is not a time", { ...state, startedAt: 1e300 }],
    [
      "a module without a digest",
      { ...state, providers: { local: { module: { name: "m", version: "1" } } } },
    ],
  ];
  for (const [name, value] of REFUSED) test(`refuses ${name}`, () => assert.throws(() => parseState(value)));

  test("cuts text that is too long for the API", () => {
    const { host, keys } = parseState({
      ...state,
      version: "v".repeat(1e5),
      keys: [{ ...state.keys[0], name: "n".repeat(1e5) }],
    });
    assert.deepEqual([host?.version?.length, keys?.[0]?.name.length], [64, 128]);
  });
});

test("EncryptionMetrics adds up the counts of a key_id, and ignores labels that are not hashes", () => {
  const metrics = new EncryptionMetrics();
  const total = (direction: string, hash: string, name: string, count: number) =>
    `apiserver_envelope_encryption_key_id_hash_total{key_id_hash="${hash}",provider_name="${name}",transformation_type="${direction}"} ${count}`;
  const lines = [
    total("from_storage", A, "one", 3),
    total("from_storage", A, "two", 4),
    total("to_storage", A, "one", 5),
    total("to_storage", "a key_id", "one", 5),
    `apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds{key_id_hash="${A}"} 1.7e9`,
    'apiserver_encryption_config_controller_last_config_info{hash="not one"} 1',
    'apiserver_encryption_config_controller_automatic_reloads_total{status="failure"} 2',
    "process_start_time_seconds NaN",
    "process_start_time_seconds 1.6e9",
  ];
  for (const sample of lines.flatMap((line) => sampleOf(line) ?? [])) metrics.add(sample);
  assert.deepEqual(metrics.part(), {
    reachable: true,
    startedAt: "2020-09-13T12:26:40.000Z",
    failedReloads: 2,
    keys: [{ hash: A, reads: 7, writes: 5, polledAt: "2023-11-14T22:13:20.000Z" }],
  });
});

test("an agent creates its KleidiNode, and continues from the last report of its predecessor", async () => {
  const active: KleidiNodeStatus["active"] = { hash: A, since: "2020-01-01T00:00:00.000Z" };
  const requests: string[] = [];
  let exists = false;
  const cluster = {
    json: async (method: string, path: string) => {
      requests.push(`${method} ${path.replace(/\?.*/, "").split("/").slice(4).join("/")}`);
      if (method === "GET") return { status: { active } };
      if (path.includes("/status") && !exists) throw new ApiError(method, 404, "not found");
      exists = true;
      return {};
    },
  } as unknown as Client;
  const apiServer = { lines: async () => {} } as unknown as Client;
  const admin = { socketPath: "/nonexistent/admin.sock" };
  const agent = new NodeAgent({ node: "cp-1", admin, intervalSeconds: 30, cluster, apiServer });
  const { host, ...report } = await agent.report();
  assert.deepEqual(host, { reachable: false, ready: false });
  assert.deepEqual(report.active, active);
  const status = "PATCH kleidinodes/cp-1/status";
  assert.deepEqual(requests, ["GET kleidinodes/cp-1", status, "PATCH kleidinodes/cp-1", status]);
  await agent.report();
  assert.equal(requests.length, 5, "one request for each report after the first");
});
