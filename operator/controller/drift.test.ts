/** Differences between nodes, and the conditions of the policy about them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KleidiNodeStatus } from "../api/kleidi-node.ts";
import type { KleidiNode } from "../cluster/resources.ts";
import { driftOf, policyStatus } from "./drift.ts";

const NOW = Date.UTC(2026, 0, 1);
const hash = (digit: string) => `sha256:${digit.repeat(64)}`;
const module = (provider: string, digit: string) => ({
  provider,
  name: "m",
  version: "1",
  hash: hash(digit),
});

function node(name: string, change: KleidiNodeStatus = {}): KleidiNode {
  const host = { reachable: true, ready: true, wall: "landlock", configurationHash: hash("a") };
  const status: KleidiNodeStatus = {
    observedAt: new Date(NOW).toISOString(),
    intervalSeconds: 30,
    host,
    modules: [module("one", "1"), module("two", "2")],
    apiServer: { reachable: true, configurationHash: hash("b") },
    ...change,
  };
  const metadata = { name, uid: name, creationTimestamp: new Date(NOW).toISOString() };
  return { metadata, spec: undefined, status };
}

const drift = (change: KleidiNodeStatus) =>
  driftOf([node("cp-1"), node("cp-2", change)]).map(({ of, node }) => `${of} ${node}`);
const both = (of: string) => [`${of} cp-1`, `${of} cp-2`];

describe("driftOf", () => {
  const host = node("x").status?.host as NonNullable<KleidiNodeStatus["host"]>;
  const CASES: readonly (readonly [string, KleidiNodeStatus, string[]])[] = [
    ["nothing", {}, []],
    ["the order of modules", { modules: [module("two", "2"), module("one", "1")] }, []],
    ["a module", { modules: [module("one", "1"), module("two", "3")] }, both("Module")],
    ["a module that is missing", { modules: [module("one", "1")] }, both("Module")],
    ["the wall", { host: { ...host, wall: "none" } }, both("Wall")],
    ["the configuration", { host: { ...host, configurationHash: hash("c") } }, both("Configuration")],
    [
      "the EncryptionConfiguration",
      { apiServer: { reachable: true, configurationHash: hash("c") } },
      both("EncryptionConfiguration"),
    ],
    [
      "a node that reports nothing",
      { host: { reachable: false, ready: false }, modules: [], apiServer: { reachable: false } },
      [],
    ],
  ];
  for (const [name, change, expected] of CASES) test(name, () => assert.deepEqual(drift(change), expected));
});

test("policyStatus names nodes that do not report, and failed reloads", () => {
  const old = node("cp-2", { observedAt: new Date(NOW - 120_001).toISOString() });
  const failed = node("cp-1", { apiServer: { reachable: true, failedReloads: 1 } });
  const { status, drafts } = policyStatus([failed, old], 2, NOW);
  assert.deepEqual([status.nodes, status.reporting], [2, 1]);
  assert.deepEqual(
    drafts.map(({ type, status }) => [type, status]),
    [
      ["NodesReporting", "False"],
      ["InSync", "True"],
      ["ReloadsSucceed", "False"],
    ],
  );
  assert.match(drafts[0]?.message ?? "", /silent: cp-2/);
  assert.match(drafts[2]?.message ?? "", /node cp-1/);
});
