/** The output of the state machine. */

/** The steps of a rotation, in order. */
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
  /** Store the counters of the old key. */
  | { readonly do: "baseline" }
  /** Discard the passes: they prove nothing. */
  | { readonly do: "restart" }
  /** Store that no object is left under the old key. */
  | { readonly do: "proved" }
  /** Store that the rotation is finished. */
  | { readonly do: "complete" };

export interface Decision {
  readonly step: Step;
  /** True if the step cannot finish until the fault in the message is fixed. */
  readonly blocked: boolean;
  /** One word, for machines. */
  readonly reason: string;
  /** A sentence that names the node, verb or object. */
  readonly message: string;
  readonly action: Action;
  /** Number of nodes that finished this step. */
  readonly done?: number | undefined;
  readonly waitUntil?: number | undefined;
}

export type Verdict = Pick<Decision, "reason" | "message"> &
  Partial<Pick<Decision, "action" | "done" | "waitUntil">>;

/** @returns a decision that lets the rotation continue, by itself or by its commands */
export function proceed(step: Step, verdict: Verdict): Decision {
  return { action: { do: "nothing" }, ...verdict, step, blocked: false };
}

/** @returns a decision that blocks the rotation until somebody fixes the fault */
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
