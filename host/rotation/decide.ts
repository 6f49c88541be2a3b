/**
 * The state machine of a rotation. It is pure: it derives the phase from the observation. The outcome of the passes over the objects is the
 * only earlier state that it uses, so the operator can be killed at any time.
 */
import { block, type Decision, proceed } from "./decision.ts";
import { migrate } from "./migrate.ts";
import { nodeFault, reportFault } from "./node-faults.ts";
import { heldKey, type Observation } from "./observed.ts";
import { isProved, retire } from "./retire.ts";
import { settle } from "./settle.ts";

/**
 * Decides the step of a rotation and the next action.
 * @param seen everything that is known at this moment
 * @returns the step, the reason, and at most one action
 * @example
 * decide({ now: Date.now(), rotation, policy, nodes, migration: { resources: [] } }).step // "Staging"
 */
export function decide(seen: Observation): Decision {
  const { rotation, policy, older } = seen;
  if (rotation.completedAt !== undefined)
    return proceed("Done", { reason: "Completed", message: "No node held the old key any more." });
  if (policy === undefined)
    return block(
      "Staging",
      "PolicyMissing",
      "There is no EncryptionPolicy: create one with the name cluster.",
    );
  if (isProved(seen)) return retire(seen, policy);
  if (older !== undefined)
    return block(
      "Staging",
      "AnotherRotation",
      `KeyRotation ${older} is older and not finished: one runs at a time.`,
    );
  const fault = reportFault(seen, policy) ?? nodeFault(seen);
  if (fault !== undefined) return fault;
  return stage(seen) ?? promote(seen) ?? settle(seen, policy) ?? migrate(seen, policy);
}

function stage({ nodes, rotation }: Observation): Decision | undefined {
  const lacking = nodes.filter((node) => heldKey(node, rotation.to)?.ready !== true);
  const [first] = lacking;
  if (first === undefined) return undefined;
  const held = heldKey(first, rotation.to);
  const message =
    held === undefined
      ? `Node ${first.name} does not hold the new key.`
      : `Node ${first.name} holds the new key "${held.name}", and its last probe failed.`;
  return proceed("Staging", { reason: "NodesLack", message, done: nodes.length - lacking.length });
}

function promote({ nodes, rotation }: Observation): Decision | undefined {
  const left = nodes.filter(({ active }) => active?.hash !== rotation.to);
  const [first] = left;
  if (first === undefined) return undefined;
  return proceed("Promoting", {
    reason: "NodesLeft",
    message: `Every node holds the new key; node ${first.name} still encrypts with the old one.`,
    done: nodes.length - left.length,
  });
}
