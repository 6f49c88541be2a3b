/** Faults of nodes that block a rotation before its proof: each could lose data, or could hide a fault that does. */
import { block, type Decision, type Step } from "./decision.ts";
import {
  heldKey,
  isUnknown,
  type Observation,
  type ObservedNode,
  type Policy,
  UNKNOWN_INTERVALS,
} from "./observed.ts";

/** @returns a fault if a control-plane node does not report */
export function reportFault(seen: Observation, { minimumNodes }: Policy): Decision | undefined {
  const { nodes, now } = seen;
  if (nodes.length < minimumNodes)
    return block(
      stepOf(seen),
      "NodesMissing",
      `${nodes.length} of ${minimumNodes} control-plane nodes have a KleidiNode: start the agent on the others, or report them by hand.`,
    );
  const unknown = nodes.find((node) => isUnknown(node, now));
  if (unknown !== undefined) return block(stepOf(seen), "NodeUnknown", silence(unknown, now));
  const silent = nodes.find(({ reachable }) => !reachable);
  if (silent === undefined) return undefined;
  return block(stepOf(seen), "HostUnreachable", `kleidi on node ${silent.name} does not answer its agent.`);
}

/** @returns a fault if a node cannot read with both keys, or writes with another key than these two */
export function nodeFault(seen: Observation): Decision | undefined {
  const { nodes, rotation } = seen;
  const { from, to } = rotation;
  const step = stepOf(seen);
  const without = nodes.find((node) => heldKey(node, from) === undefined);
  if (without !== undefined)
    return block(
      step,
      "OldKeyMissing",
      `Node ${without.name} does not hold the old key, and objects may still be encrypted with it: add the old key there again.`,
    );
  const promoted = nodes.find(({ active }) => active?.hash === to);
  const lacking = nodes.find((node) => heldKey(node, to) === undefined);
  if (promoted !== undefined && lacking !== undefined)
    return block(
      step,
      "PromotedTooEarly",
      `Node ${promoted.name} encrypts with the new key, and node ${lacking.name} cannot read it: lists fail there. Stage the key on ${lacking.name} now.`,
    );
  const other = nodes.find(
    ({ active }) => active !== undefined && active.hash !== from && active.hash !== to,
  );
  if (other === undefined) return undefined;
  return block(step, "OtherKeyActive", `Node ${other.name} encrypts with a key that is neither from nor to.`);
}

/** The step that a fault interrupts. */
function stepOf({ nodes, rotation, migration }: Observation): Step {
  if (nodes.length === 0 || nodes.some((node) => heldKey(node, rotation.to)?.ready !== true))
    return "Staging";
  if (nodes.some(({ active }) => active?.hash !== rotation.to)) return "Promoting";
  if (migration.resources.length === 0) return "Waiting";
  return migration.baseline === undefined ? "Migrating" : "Verifying";
}

function silence({ name, observedAt }: ObservedNode, now: number): string {
  if (observedAt === undefined) return `Node ${name} has not reported yet.`;
  const seconds = Math.round((now - observedAt) / 1000);
  if (seconds < 0) return `The report of node ${name} is ${-seconds} s in the future: set its clock.`;
  return `Node ${name} has not reported for ${seconds} s, more than ${UNKNOWN_INTERVALS} intervals: its keys are unknown. If it is gone for good, delete its KleidiNode.`;
}
