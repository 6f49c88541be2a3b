/** The migration and its proof: every object is sent once, and then once more. The second pass must find nothing left to rewrite. */
import { type Action, block, type Decision, proceed } from "./decision.ts";
import {
  type Counters,
  isUnknown,
  type Migration,
  type Observation,
  type Pass,
  type Policy,
} from "./observed.ts";
import { keyOf, settledAt } from "./settle.ts";

export function migrate(seen: Observation, policy: Policy): Decision {
  return notAllowed(seen, policy) ?? rewrite(seen, policy) ?? prove(seen, policy);
}

function notAllowed({ missing = [] }: Observation, { migrationBy, resources }: Policy): Decision | undefined {
  if (migrationBy === "Nobody")
    return block(
      "Migrating",
      "MigrationOff",
      `Migration of ${resources.join(", ")} is off: EncryptionPolicy cluster has spec.migration.by: Nobody. Set it to Operator or StorageVersionMigration.`,
    );
  if (missing.length === 0) return undefined;
  return block("Migrating", "RightMissing", `The migration lacks a right: ${missing.join("; ")}.`);
}

function rewrite(seen: Observation, policy: Policy): Decision | undefined {
  const { migration } = seen;
  if (isStale(seen, policy))
    return proceed("Migrating", {
      reason: "Restarted",
      message: "A node was promoted again after the migration began.",
      action: { do: "restart" },
    });
  for (const resource of policy.resources) {
    const pass = passesOf(migration, resource)?.rewrite;
    const message =
      pass === undefined ? `Rewriting ${resource}.` : `Rewriting ${resource}: ${pass.objects} objects sent.`;
    if (pass?.endedAt === undefined)
      return proceed("Migrating", {
        reason: "Rewriting",
        message,
        action: { do: "pass", kind: "rewrite", resource },
      });
    if (pass.refused > 0) return refused(seen, resource, pass);
  }
  return undefined;
}

/** A refused object stays under the old key. The whole resource is sent again later, which is cheap for objects that are current. */
function refused(seen: Observation, resource: string, { refused, refusals = [] }: Pass): Decision {
  const [first] = refusals;
  const all = refused === 1 ? "" : ` and ${refused - 1} more`;
  return block(
    "Migrating",
    "ObjectRefused",
    `${first?.object ?? resource}${all} cannot be rewritten and would be lost with the old key: ${first?.code} ${first?.message}`,
    retry(seen),
  );
}

function prove(seen: Observation, policy: Policy): Decision {
  const { migration, rotation, nodes } = seen;
  const waiting = (after: number) => nodes.find(({ observedAt = 0 }) => observedAt <= after);
  const step = "Verifying";
  const passes = policy.resources.map((resource) => ({ resource, ...passesOf(migration, resource) }));
  if (migration.baseline === undefined) {
    const late = waiting(Math.max(...passes.map((each) => each.rewrite?.endedAt ?? 0)));
    if (late === undefined)
      return proceed(step, {
        reason: "Proving",
        message: "Every object was sent.",
        action: { do: "baseline" },
      });
    return proceed(step, {
      reason: "WaitingForReports",
      message: `Waiting for a report of node ${late.name} after the migration.`,
    });
  }
  for (const { resource, proof } of passes) {
    if (proof?.endedAt === undefined)
      return proceed(step, {
        reason: "Proving",
        message: `Sending each object of ${resource} once more: no object may be left to rewrite.`,
        action: { do: "pass", kind: "proof", resource },
      });
    if (proof.refused > 0) return refused(seen, resource, proof);
    if (proof.changed > 0) return stillStale(seen, resource, proof.changed);
  }
  const late = waiting(Math.max(...passes.map((each) => each.proof?.endedAt ?? 0)));
  if (late !== undefined)
    return proceed(step, {
      reason: "WaitingForReports",
      message: `Waiting for a report of node ${late.name} after the proof.`,
    });
  const used = migration.baseline.find((before) => hasMoved(before, seen));
  if (used === undefined)
    return proceed(step, {
      reason: "Proved",
      message: "No object is left under the old key.",
      action: { do: "proved" },
    });
  return stillUsed(seen, used.node, rotation.from);
}

/** Retried later and not at once: if admission changes each object at each write, it would never end. */
function stillStale(seen: Observation, resource: string, changed: number): Decision {
  return block(
    "Verifying",
    "StillStale",
    `${changed} objects of ${resource} were rewritten in the proof: an API server wrote them with another key meanwhile, or a mutating admission rule changes them at each write.`,
    retry(seen),
  );
}

function retry({ migration, now }: Observation): Action {
  const due = migration.retryAt !== undefined && now >= migration.retryAt;
  return due ? { do: "restart" } : { do: "nothing" };
}

/** The API server read or wrote an object under the old key during the proof: possibly of a resource that the policy does not list. */
function stillUsed(seen: Observation, node: string, from: string): Decision {
  return block(
    "Verifying",
    "OldKeyUsed",
    `The API server of node ${node} used the old key ${from} during the proof: the EncryptionConfiguration may name resources that EncryptionPolicy cluster does not.`,
    retry(seen),
  );
}

function passesOf({ resources }: Migration, resource: string) {
  return resources.find((each) => each.resource === resource);
}

/** A pass that began before the end of the wait proves nothing. */
function isStale(seen: Observation, policy: Policy): boolean {
  const end = settledAt(seen, policy);
  return seen.migration.resources.some(({ rewrite, proof }) =>
    [rewrite, proof].some((pass) => pass !== undefined && pass.startedAt < end),
  );
}

function hasMoved(before: Counters, { nodes, rotation, now }: Observation): boolean {
  const node = nodes.find(({ name }) => name === before.node);
  if (node?.apiServer === undefined || isUnknown(node, now)) return true;
  const key = keyOf(node.apiServer.keys, rotation.from);
  // After a restart the counters start at 0.
  const base = node.apiServer.startedAt === before.startedAt ? before : { reads: 0, writes: 0 };
  return (key?.reads ?? 0) > base.reads || (key?.writes ?? 0) > base.writes;
}

/** @returns the counters of the old key on each node, to store before the proof */
export function countersOf({ nodes, rotation }: Pick<Observation, "nodes" | "rotation">): Counters[] {
  return nodes.map(({ name, apiServer }) => {
    const key = keyOf(apiServer?.keys ?? [], rotation.from);
    return {
      node: name,
      startedAt: apiServer?.startedAt ?? 0,
      reads: key?.reads ?? 0,
      writes: key?.writes ?? 0,
    };
  });
}
