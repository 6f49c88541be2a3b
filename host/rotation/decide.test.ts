/** The state machine, case by case: an observation, and the phase, reason and action that follow. The snapshot has the messages. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { commandsFor } from "./commands.ts";
import { conditionsOf } from "./conditions.ts";
import { decide } from "./decide.ts";
import { phaseOf } from "./decision.ts";
import type { HeldKey, Migration, Observation, ObservedNode, Pass, Policy } from "./observed.ts";

const [A, B, C] = ["a", "b", "c"].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string, string];
const NOW = Date.UTC(2026, 0, 1);
const WAIT = 540_000;
const LONG_AGO = NOW - 3_600_000;
const SETTLED = LONG_AGO + WAIT;

const policy: Policy = { resources: ["secrets"], minimumNodes: 2, migrationBy: "Operator", waitMs: WAIT };
const rotation = { name: "2026", from: A, to: B };

function key(hash: string, more: Partial<HeldKey> = {}): HeldKey {
  const name = hash === A ? "kek-1" : hash === B ? "kek-2" : "kek-3";
  return { name, provider: "local", use: "decrypt", ready: true, hashes: [hash], ...more };
}

/** A node that holds `held` and encrypts with the first of them. */
function node(name: string, held: readonly string[], more: Partial<ObservedNode> = {}): ObservedNode {
  const active = held[0] === undefined ? {} : { active: { hash: held[0], since: LONG_AGO } };
  const polled = held.map((hash, at) => ({ hash, polledAt: NOW - at * 100_000, reads: 7, writes: 3 }));
  return {
    name,
    observedAt: NOW,
    intervalMs: 30_000,
    reachable: true,
    keys: held.map((hash) => key(hash)),
    ...active,
    apiServer: { startedAt: 1, keys: polled },
    ...more,
  };
}

function pass(more: Partial<Pass> = {}): Pass {
  return { startedAt: SETTLED, endedAt: SETTLED + 1000, objects: 5, changed: 5, refused: 0, ...more };
}

const none: Migration = { resources: [] };
const baseline = ["cp-1", "cp-2"].map((name) => ({ node: name, startedAt: 1, reads: 7, writes: 3 }));
const rewritten: Migration = { resources: [{ resource: "secrets", rewrite: pass() }] };
const proving: Migration = { ...rewritten, baseline };
const proof = (more: Partial<Pass> = {}): Migration => ({
  resources: [{ resource: "secrets", rewrite: pass(), proof: pass({ changed: 0, ...more }) }],
  baseline,
});
const proved: Migration = { ...proof(), provedAt: NOW - 1000 };
const refusals = [{ object: "secrets default/a", code: 403, message: "a webhook says no" }];
const old = [node("cp-1", [A]), node("cp-2", [A])];
const staged = [node("cp-1", [A, B]), node("cp-2", [A, B])];
const promoted = [node("cp-1", [B, A]), node("cp-2", [B, A])];
const retired = [node("cp-1", [B]), node("cp-2", [B])];

type Case = readonly [
  name: string,
  seen: Partial<Observation>,
  phase: string,
  reason: string,
  action: string,
];
const CASES: readonly Case[] = [
  ["no policy", { policy: undefined, nodes: old }, "Blocked", "PolicyMissing", "nothing"],
  ["no agent", { nodes: [] }, "Blocked", "NodesMissing", "nothing"],
  ["one node of two", { nodes: [node("cp-1", [A])] }, "Blocked", "NodesMissing", "nothing"],
  ["an older rotation", { nodes: old, older: "2025" }, "Blocked", "AnotherRotation", "nothing"],
  ["no node has the new key", { nodes: old }, "Staging", "NodesLack", "nothing"],
  ["one node lags", { nodes: [node("cp-1", [A, B]), node("cp-2", [A])] }, "Staging", "NodesLack", "nothing"],
  [
    "the new key fails its probe",
    { nodes: [node("cp-1", [A, B]), node("cp-2", [A], { keys: [key(A), key(B, { ready: false })] })] },
    "Staging",
    "NodesLack",
    "nothing",
  ],
  [
    "a node stopped reporting",
    { nodes: [node("cp-1", [A]), node("cp-2", [A], { observedAt: NOW - 120_001 })] },
    "Blocked",
    "NodeUnknown",
    "nothing",
  ],
  [
    "a report that is exactly four intervals old",
    { nodes: [node("cp-1", [A]), node("cp-2", [A], { observedAt: NOW - 120_000 })] },
    "Staging",
    "NodesLack",
    "nothing",
  ],
  [
    "a report from the future",
    { nodes: [node("cp-1", [A]), node("cp-2", [A], { observedAt: NOW + 120_001 })] },
    "Blocked",
    "NodeUnknown",
    "nothing",
  ],
  [
    "kleidi does not answer",
    { nodes: [node("cp-1", [A]), node("cp-2", [A], { reachable: false })] },
    "Blocked",
    "HostUnreachable",
    "nothing",
  ],
  [
    "a node lost the old key",
    { nodes: [node("cp-1", [A, B]), node("cp-2", [B])] },
    "Blocked",
    "OldKeyMissing",
    "nothing",
  ],
  [
    "a node promoted too early",
    { nodes: [node("cp-1", [B, A]), node("cp-2", [A])] },
    "Blocked",
    "PromotedTooEarly",
    "nothing",
  ],
  [
    "a node encrypts with a third key",
    { nodes: [node("cp-1", [A, B]), node("cp-2", [C, A, B])] },
    "Blocked",
    "OtherKeyActive",
    "nothing",
  ],
  ["all staged", { nodes: staged }, "Promoting", "NodesLeft", "nothing"],
  [
    "one promoted",
    { nodes: [node("cp-1", [B, A]), node("cp-2", [A, B])] },
    "Promoting",
    "NodesLeft",
    "nothing",
  ],
  [
    "nodes were promoted a moment ago",
    {
      nodes: [node("cp-1", [B, A]), node("cp-2", [B, A], { active: { hash: B, since: NOW - WAIT + 1 } })],
    },
    "Waiting",
    "Waiting",
    "nothing",
  ],
  [
    "an API server last polled the old key",
    {
      nodes: [
        node("cp-1", [B, A]),
        node("cp-2", [B, A], {
          apiServer: {
            startedAt: 1,
            keys: [
              { hash: A, polledAt: NOW, reads: 0, writes: 0 },
              { hash: B, polledAt: NOW - 1, reads: 0, writes: 0 },
            ],
          },
        }),
      ],
    },
    "Waiting",
    "APIServerBehind",
    "nothing",
  ],
  [
    "an API server without metrics",
    { nodes: [node("cp-1", [B, A]), node("cp-2", [B, A], { apiServer: undefined })] },
    "Waiting",
    "APIServerBehind",
    "nothing",
  ],
  [
    "migration is off",
    { nodes: promoted, policy: { ...policy, migrationBy: "Nobody" } },
    "Blocked",
    "MigrationOff",
    "nothing",
  ],
  [
    "the migration lacks a right",
    { nodes: promoted, missing: ["patch secrets"] },
    "Blocked",
    "RightMissing",
    "nothing",
  ],
  ["settled", { nodes: promoted }, "Migrating", "Rewriting", "rewrite secrets"],
  [
    "the operator was killed while rewriting",
    {
      nodes: promoted,
      migration: { resources: [{ resource: "secrets", rewrite: pass({ endedAt: undefined }) }] },
    },
    "Migrating",
    "Rewriting",
    "rewrite secrets",
  ],
  [
    "a second resource",
    {
      nodes: promoted,
      migration: rewritten,
      policy: { ...policy, resources: ["secrets", "widgets.example.com"] },
    },
    "Migrating",
    "Rewriting",
    "rewrite widgets.example.com",
  ],
  [
    "an object is refused",
    {
      nodes: promoted,
      migration: {
        resources: [{ resource: "secrets", rewrite: pass({ refused: 1, refusals }) }],
        retryAt: NOW + 1,
      },
    },
    "Blocked",
    "ObjectRefused",
    "nothing",
  ],
  [
    "an object was refused some time ago",
    {
      nodes: promoted,
      migration: {
        resources: [{ resource: "secrets", rewrite: pass({ refused: 2, refusals }) }],
        retryAt: NOW,
      },
    },
    "Blocked",
    "ObjectRefused",
    "restart",
  ],
  [
    "objects were rewritten before the wait ended",
    {
      nodes: promoted,
      migration: { resources: [{ resource: "secrets", rewrite: pass({ startedAt: SETTLED - 1 }) }] },
    },
    "Migrating",
    "Restarted",
    "restart",
  ],
  ["rewritten", { nodes: promoted, migration: rewritten }, "Verifying", "Proving", "baseline"],
  [
    "objects were rewritten, and one report is older",
    {
      nodes: [node("cp-1", [B, A]), node("cp-2", [B, A], { observedAt: NOW - 60_000 })],
      migration: { resources: [{ resource: "secrets", rewrite: pass({ endedAt: NOW - 50_000 }) }] },
    },
    "Verifying",
    "WaitingForReports",
    "nothing",
  ],
  ["the baseline is known", { nodes: promoted, migration: proving }, "Verifying", "Proving", "proof secrets"],
  [
    "the proof found stale objects",
    { nodes: promoted, migration: proof({ changed: 2 }) },
    "Blocked",
    "StillStale",
    "nothing",
  ],
  [
    "the proof found stale objects, and the retry is due",
    { nodes: promoted, migration: { ...proof({ changed: 2 }), retryAt: NOW } },
    "Blocked",
    "StillStale",
    "restart",
  ],
  [
    "an object was refused in the proof",
    { nodes: promoted, migration: proof({ refused: 1, refusals }) },
    "Blocked",
    "ObjectRefused",
    "nothing",
  ],
  [
    "the proof succeeded, and the reports are older",
    { nodes: promoted, migration: proof({ endedAt: NOW }) },
    "Verifying",
    "WaitingForReports",
    "nothing",
  ],
  ["the proof succeeded", { nodes: promoted, migration: proof() }, "Verifying", "Proved", "proved"],
  [
    "an API server read the old key during the proof",
    {
      nodes: [node("cp-1", [B, A]), node("cp-2", [B, A])],
      migration: { ...proof(), baseline: baseline.map((each) => ({ ...each, reads: 6 })) },
    },
    "Blocked",
    "OldKeyUsed",
    "nothing",
  ],
  [
    "an API server restarted and then read the old key",
    {
      nodes: promoted,
      migration: { ...proof(), baseline: baseline.map((each) => ({ ...each, startedAt: 0 })) },
    },
    "Blocked",
    "OldKeyUsed",
    "nothing",
  ],
  ["proved", { nodes: promoted, migration: proved }, "Retirable", "Proved", "nothing"],
  [
    "proved, and a node does not report",
    { nodes: [...retired.slice(1), node("cp-1", [B], { observedAt: 0 })], migration: proved },
    "Retirable",
    "NodesMissing",
    "nothing",
  ],
  [
    "proved, and a newer rotation is promoted",
    { nodes: [node("cp-1", [C, B, A]), node("cp-2", [C, B, A])], migration: proved, older: "2025" },
    "Retirable",
    "Proved",
    "nothing",
  ],
  [
    "proved, and a node returned to the old key",
    { nodes: [node("cp-1", [A, B]), node("cp-2", [B, A])], migration: proved },
    "Blocked",
    "Reverted",
    "nothing",
  ],
  [
    "proved, and a node returned to the old key and was promoted again",
    {
      nodes: [
        node("cp-1", [B, A], { active: { hash: B, since: NOW - WAIT, previous: A } }),
        node("cp-2", [B, A]),
      ],
      migration: proved,
    },
    "Migrating",
    "Restarted",
    "restart",
  ],
  [
    "proved, and a node joined",
    { nodes: [...promoted, node("cp-3", [B, A], { active: { hash: B, since: NOW } })], migration: proved },
    "Retirable",
    "Proved",
    "nothing",
  ],
  ["no node holds the old key", { nodes: retired, migration: proved }, "Done", "Completed", "complete"],
  [
    "the rotation finished long ago",
    { nodes: [], rotation: { ...rotation, completedAt: 1 } },
    "Done",
    "Completed",
    "nothing",
  ],
];

describe("decide", () => {
  for (const [name, seen, phase, reason, action] of CASES) {
    test(`${name}: ${phase}, ${reason}`, (t) => {
      const all: Observation = { now: NOW, rotation, policy, nodes: old, migration: none, ...seen };
      const decided = decide(all);
      const { do: does } = decided.action;
      const what = decided.action.do === "pass" ? `${decided.action.kind} ${decided.action.resource}` : does;
      assert.deepEqual([phaseOf(decided), decided.reason, what], [phase, reason, action]);
      t.assert.snapshot({ message: decided.message, commands: commandsFor(all, decided) });
    });
  }

  test("conditions are true for finished steps, and name the reason of the current step", () => {
    const decided = decide({
      now: NOW,
      rotation,
      policy,
      nodes: promoted,
      migration: none,
      missing: ["patch secrets"],
    });
    assert.deepEqual(
      conditionsOf(decided).map(({ type, status, reason }) => [type, status, reason]),
      [
        ["Staged", "True", "Passed"],
        ["Promoted", "True", "Passed"],
        ["Settled", "True", "Passed"],
        ["Migrated", "False", "RightMissing"],
        ["Verified", "False", "NotReached"],
        ["Retired", "False", "NotReached"],
        ["Blocked", "True", "RightMissing"],
      ],
    );
  });

  test("the message of a wait has its end", () => {
    const nodes = promoted.map((each) => ({ ...each, active: { hash: B, since: NOW - 1 } }));
    assert.equal(decide({ now: NOW, rotation, policy, nodes, migration: none }).waitUntil, NOW - 1 + WAIT);
  });
});
