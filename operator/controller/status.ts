/** Makes the status of a rotation from the decision about it. */

import { commandsFor } from "../../host/rotation/commands.ts";
import { conditionsOf } from "../../host/rotation/conditions.ts";
import { type Decision, phaseOf } from "../../host/rotation/decision.ts";
import type { Observation } from "../../host/rotation/observed.ts";
import type { KeyRotationStatus, Migration, Pass } from "../api/key-rotation.ts";
import { conditionsSince, type KeyRotation, rfc3339 } from "../cluster/resources.ts";

const MAX_MESSAGE = 2000;

export function statusOf(
  { metadata, status }: KeyRotation,
  seen: Observation,
  decided: Decision,
): KeyRotationStatus {
  const commands = commandsFor(seen, decided);
  const migration = status?.migration;
  const { message, done, waitUntil } = decided;
  return {
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    phase: phaseOf(decided),
    message: message.slice(0, MAX_MESSAGE),
    ...(commands.length > 0 && { commands }),
    ...(done === undefined ? {} : { nodes: `${done}/${seen.nodes.length}` }),
    ...(migration && { migration, progress: progressOf(migration) }),
    ...(waitUntil === undefined ? {} : { waitUntil: rfc3339(waitUntil) }),
    ...(status?.completedAt === undefined ? {} : { completedAt: status.completedAt }),
    conditions: conditionsSince(conditionsOf(decided), status?.conditions, metadata.generation, seen.now),
  };
}

function progressOf({ resources }: Migration): string {
  const passes = resources.flatMap(({ rewrite }) => (rewrite === undefined ? [] : [rewrite]));
  const sum = (of: (pass: Pass) => number) => passes.reduce((total, pass) => total + of(pass), 0);
  return `${sum(({ objects }) => objects)} sent, ${sum(({ changed }) => changed)} rewritten, ${sum(({ refused }) => refused)} refused`;
}

/** @returns the status with one pass of a resource replaced */
export function withPass(
  status: KeyRotationStatus | undefined,
  {
    resource,
    kind,
    pass,
    retryAt,
  }: { resource: string; kind: "rewrite" | "proof"; pass: Pass; retryAt: number },
): KeyRotationStatus {
  const before = status?.migration ?? { resources: [] };
  const known = before.resources.some((each) => each.resource === resource);
  const resources = known ? before.resources : [...before.resources, { resource }];
  const failed = pass.endedAt !== undefined && pass.refused > 0;
  return {
    ...status,
    migration: {
      ...before,
      resources: resources.map((each) => (each.resource === resource ? { ...each, [kind]: pass } : each)),
      ...(failed && { retryAt: rfc3339(retryAt) }),
    },
  };
}
