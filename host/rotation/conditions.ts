/** The conditions of a rotation, in the conventions of the Kubernetes API. */
import { type Decision, STEPS, type Step } from "./decision.ts";

export interface ConditionDraft {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

/** A condition is true once its step is finished. */
const CONDITIONS: readonly (readonly [type: string, step: Step, passed: string])[] = [
  ["Staged", "Staging", "Every node holds the new key."],
  ["Promoted", "Promoting", "Every node encrypts with the new key."],
  ["Settled", "Waiting", "Every API server writes with the new key."],
  ["Migrated", "Migrating", "Every object was sent once."],
  ["Verified", "Verifying", "No object is left under the old key."],
  ["Retired", "Retirable", "No node holds the old key."],
];

export function conditionsOf(decided: Decision): ConditionDraft[] {
  const at = STEPS.indexOf(decided.step);
  const steps = CONDITIONS.map(([type, step, passed]): ConditionDraft => {
    if (STEPS.indexOf(step) < at) return { type, status: "True", reason: "Passed", message: passed };
    if (step !== decided.step)
      return { type, status: "False", reason: "NotReached", message: `The rotation is at ${decided.step}.` };
    return { type, status: "False", reason: decided.reason, message: decided.message };
  });
  const { blocked, reason, message } = decided;
  return [
    ...steps,
    {
      type: "Blocked",
      status: blocked ? "True" : "False",
      reason,
      message: blocked ? message : "Nothing blocks the rotation.",
    },
  ];
}
