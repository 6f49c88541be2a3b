/** The step after the proof. The old key is kept until a person removes it, because a backup of etcd may need it. */
import { block, type Decision, proceed } from "./decision.ts";
import { heldKey, isUnknown, type Observation, type Policy } from "./observed.ts";

/** True if no object is left under the old key, and since then no node returned to it and was promoted again. */
export function isProved({ nodes, rotation, migration }: Observation): boolean {
  if (migration.provedAt === undefined) return false;
  const began = Math.min(...migration.resources.map(({ proof }) => proof?.startedAt ?? 0));
  return !nodes.some(
    ({ active }) => active?.hash === rotation.to && active.previous === rotation.from && active.since > began,
  );
}

export function retire({ nodes, rotation, now }: Observation, { minimumNodes }: Policy): Decision {
  const back = nodes.find(({ active }) => active?.hash === rotation.from);
  if (back !== undefined)
    return block(
      "Retirable",
      "Reverted",
      `Node ${back.name} encrypts with the old key again: promote the new one there; the migration then restarts.`,
    );
  const holders = nodes.filter((node) => heldKey(node, rotation.from) !== undefined);
  const done = nodes.length - holders.length;
  const [first] = holders;
  if (first !== undefined)
    return proceed("Retirable", {
      reason: "Proved",
      message: `No object is left under the old key; node ${first.name} still holds it. Keep it as long as a backup of etcd may need it.`,
      done,
    });
  const unknown = nodes.find((node) => isUnknown(node, now));
  if (nodes.length < minimumNodes || unknown !== undefined)
    return proceed("Retirable", {
      reason: "NodesMissing",
      message: `No node that reports holds the old key; ${unknown === undefined ? `${minimumNodes - nodes.length} nodes are` : `node ${unknown.name} is`} unknown.`,
      done,
    });
  return proceed("Done", {
    reason: "Completed",
    message: "No node holds the old key any more.",
    done,
    action: { do: "complete" },
  });
}
