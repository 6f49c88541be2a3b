/** Converts the resources of the API to the input of the state machine, and back. */

import type { Migration, Observation, ObservedNode, Pass, Policy } from "../../host/rotation/observed.ts";
import type { Migration as ApiMigration, Pass as ApiPass } from "../api/key-rotation.ts";
import { type EncryptionPolicy, type KeyRotation, type KleidiNode, rfc3339 } from "../cluster/resources.ts";

export interface Seen {
  readonly nodes: readonly KleidiNode[];
  readonly policy: EncryptionPolicy | undefined;
  readonly rotations: readonly KeyRotation[];
}

export function observe(
  seen: Seen,
  rotation: KeyRotation,
  missing: readonly string[],
  now: number,
): Observation {
  const { metadata, spec, status } = rotation;
  return {
    now,
    rotation: { name: metadata.name, ...spec, completedAt: ms(status?.completedAt) },
    policy: seen.policy && policyOf(seen.policy),
    nodes: seen.nodes.map(nodeOf),
    migration: migrationOf(status?.migration),
    older: olderUnfinished(seen.rotations, rotation)?.metadata.name,
    missing,
  };
}

/** @returns true if the operator has nothing left to do for a rotation: it is proved */
export function isFinished({ status }: KeyRotation): boolean {
  return status?.completedAt !== undefined || status?.migration?.provedAt !== undefined;
}

function olderUnfinished(
  rotations: readonly KeyRotation[],
  { metadata }: KeyRotation,
): KeyRotation | undefined {
  const rank = ({ metadata: { creationTimestamp, name } }: KeyRotation) => `${creationTimestamp} ${name}`;
  const own = `${metadata.creationTimestamp} ${metadata.name}`;
  return rotations.find((each) => !isFinished(each) && rank(each) < own);
}

function policyOf({ spec }: EncryptionPolicy): Policy {
  const { pollSeconds, expirySeconds, marginSeconds } = spec.waits;
  return {
    resources: spec.resources,
    minimumNodes: spec.minimumNodes,
    migrationBy: spec.migration.by,
    waitMs: (pollSeconds + expirySeconds + marginSeconds) * 1000,
  };
}

export function nodeOf({ metadata, status = {} }: KleidiNode): ObservedNode {
  const { active, apiServer } = status;
  return {
    name: metadata.name,
    observedAt: ms(status.observedAt),
    intervalMs: (status.intervalSeconds ?? 30) * 1000,
    reachable: status.host?.reachable === true,
    keys: status.keys ?? [],
    active: active && { hash: active.hash, since: Date.parse(active.since), previous: active.previous },
    apiServer: apiServer?.reachable
      ? {
          startedAt: ms(apiServer.startedAt) ?? 0,
          keys: (apiServer.keys ?? []).map((key) => ({ ...key, polledAt: ms(key.polledAt) })),
        }
      : undefined,
  };
}

function migrationOf(migration: ApiMigration | undefined): Migration {
  if (migration === undefined) return { resources: [] };
  return {
    resources: migration.resources.map(({ resource, rewrite, proof }) => {
      return { resource, rewrite: passOf(rewrite), proof: passOf(proof) };
    }),
    baseline: migration.baseline?.map((each) => ({ ...each, startedAt: Date.parse(each.startedAt) })),
    provedAt: ms(migration.provedAt),
    retryAt: ms(migration.retryAt),
  };
}

function passOf(pass: ApiPass | undefined): Pass | undefined {
  return pass && { ...pass, startedAt: Date.parse(pass.startedAt), endedAt: ms(pass.endedAt) };
}

function ms(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time);
}

export function apiCounters(
  counters: NonNullable<Migration["baseline"]>,
): NonNullable<ApiMigration["baseline"]> {
  return counters.map((each) => ({ ...each, startedAt: rfc3339(each.startedAt) }));
}
