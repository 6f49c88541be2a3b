/** The output of the state machine. */

/** The steps of a rotation, in their order. */
export const STEPS = [
  "Staging",
  "Promoting",
  "Waiting",
  "Migrating",
  "Verifying",
  "Retirable",
  "Done",
] as const;
export type Step = (typeof STEPS)[number];

export type Action =
  | { readonly do: "nothing" }
  /** One pass over the objects of a resource. */
  | { readonly do: "pass"; readonly kind: "rewrite" | "proof"; readonly resource: string }
  /** Remember the counters of the old key. */
  | { readonly do: "baseline" }
  /** Forget the passes: they prove nothing. */
  | { readonly do: "restart" }
  /** Remember that no object is left under the old key. */
  | { readonly do: "proved" }
  /** Remember that the rotation is finished. */
  | { readonly do: "complete" };

export interface Decision {
  readonly step: Step;
  /** The step cannot be finished until the thing that the message names is mended. */
  readonly blocked: boolean;
  /** One word, for machines. */
  readonly reason: string;
  /** A sentence that names the node, verb or object. */
  readonly message: string;
  readonly action: Action;
  /** Nodes that have done this step's part. */
  readonly done?: number | undefined;
  readonly waitUntil?: number | undefined;
}

export type Verdict = Pick<Decision, "reason" | "message"> &
  Partial<Pick<Decision, "action" | "done" | "waitUntil">>;

/** @returns a decision that goes on by itself or by the person who follows its commands */
export function goOn(step: Step, verdict: Verdict): Decision {
  return { action: { do: "nothing" }, ...verdict, step, blocked: false };
}

/** @returns a decision that needs a person */
export function block(
  step: Step,
  reason: string,
  message: string,
  action: Action = { do: "nothing" },
): Decision {
  return { step, blocked: true, reason, message, action };
}

/** @returns Blocked, or the step */
export function phaseOf({ step, blocked }: Decision): Step | "Blocked" {
  return blocked ? "Blocked" : step;
}
