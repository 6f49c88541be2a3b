/**
 * The gate: every host call passes through parse → decide → witness → perform. A capability decides and returns a plan; only the gate
 * performs plans, after the decision was witnessed. A call that is unknown, not requested or not granted is denied, and a denial voids
 * the guest's whole call.
 */
import { type Gate, type HostAnswer, type HostCall, HostCode, refusal } from "../host-call.ts";
import { Budget } from "./budget.ts";
import { decideOn, type Opened, type Plan } from "./capability.ts";
import { decide, type Grants, type Request } from "./policy.ts";

export interface Client {
  readonly requests: readonly Request[];
  readonly grants: Grants;
  /** The limit in one call of the guest. */
  readonly hostCalls: number;
  readonly hostCallsPerMinute: number;
}

/** The opened capabilities, by name. */
export type Capabilities = Readonly<Record<string, Opened>>;

export interface Decision {
  readonly call: HostCall;
  /** "refused" does not concern authority: an exhausted budget, or a malformed request. */
  readonly verdict: "allowed" | "denied" | "refused";
  /** The rule that allows the call, or the reason of its denial or refusal. */
  readonly why: string;
  readonly target?: string | undefined;
}

export interface Outcome {
  readonly code: number;
  readonly ms: number;
  /** Bytes of the answer's body. */
  readonly size: number;
}

/** Records every host call. */
export interface Witness {
  /** Called with each decision, before anything is performed. If it throws, nothing is performed. */
  decided(decision: Decision): void;
  /** Called with the outcome of an allowed call. */
  performed(decision: Decision, outcome: Outcome): void;
  /** Called with an error that an operation threw. */
  fault(call: HostCall, error: unknown): void;
}

export interface GateOptions {
  /** By the provider's name in the configuration. */
  readonly clients: ReadonlyMap<string, Client>;
  readonly capabilities: Capabilities;
  /** Names of the capabilities that need no grant. */
  readonly alwaysGranted: ReadonlySet<string>;
  readonly witness: Witness;
}

/** The largest body of an answer, in bytes (docs/ABI.md, section 3). */
const MAX_BODY = 65_536;
const NOT_NOW = refusal(HostCode.UNAVAILABLE, "the host could not do it now");
const ABORTED = refusal(HostCode.UNAVAILABLE, "the call is over");

export function createGate({ clients, capabilities, alwaysGranted, witness }: GateOptions): Gate {
  const budgets = new Map(
    [...clients].map(([name, { hostCallsPerMinute }]) => [name, new Budget(hostCallsPerMinute)]),
  );
  return async (call) => {
    try {
      const [decision, next] = judge(call);
      witness.decided(decision);
      if (!("perform" in next)) return next;
      const begun = performance.now();
      const result = await bounded(call, next);
      const outcome = { code: result.code, ms: performance.now() - begun, size: result.body.length };
      witness.performed(decision, outcome);
      return result;
    } catch (error) {
      witness.fault(call, error);
      return NOT_NOW;
    }
  };

  /** Decides on a call. @returns the decision, with the plan or, without one, the answer */
  function judge(call: HostCall): [Decision, Plan | HostAnswer] {
    const client = clients.get(call.provider);
    const opened = find(capabilities, call);
    if (client === undefined || opened === undefined) {
      return deny(call, `kleidi:${call.capability} ${call.operation}: there is no such operation`);
    }
    const verdict = decide(call, client.requests, client.grants, alwaysGranted);
    if (!verdict.allowed) return deny(call, verdict.reason);
    const spent = overBudget(call, client, budgets.get(call.provider));
    const next = spent ?? decideOn(opened, call, client.grants[call.capability]);
    if ("perform" in next) {
      return [{ call, verdict: "allowed", why: verdict.rule, target: next.target }, next];
    }
    if (next.code === HostCode.DENIED) return deny(call, next.message);
    return [{ call, verdict: "refused", why: next.message }, next];
  }
}

/** The capability, if it has this operation. */
function find(capabilities: Capabilities, { capability, operation }: HostCall): Opened | undefined {
  const opened = Object.hasOwn(capabilities, capability) ? capabilities[capability] : undefined;
  return opened !== undefined && Object.hasOwn(opened.decide, operation) ? opened : undefined;
}

function deny(call: HostCall, reason: string): [Decision, HostAnswer] {
  const message = `Cannot grant provider "${call.provider}" ${reason}`;
  return [{ call, verdict: "denied", why: reason }, refusal(HostCode.DENIED, message)];
}

function overBudget(call: HostCall, client: Client, budget: Budget | undefined): HostAnswer | undefined {
  if (call.ordinal > client.hostCalls) {
    return refusal(HostCode.LIMIT, `at most ${client.hostCalls} host calls are allowed in a call`);
  }
  if (budget?.take() === false) {
    return refusal(HostCode.LIMIT, `at most ${client.hostCallsPerMinute} host calls are allowed in a minute`);
  }
  return undefined;
}

/** Performs a plan until the guest's call is over, and checks the size of the answer. */
async function bounded({ signal }: HostCall, plan: Plan): Promise<HostAnswer> {
  if (signal.aborted) return ABORTED;
  const working = plan.perform();
  const result = working instanceof Promise ? await untilAborted(signal, working) : working;
  if (result.body.length > MAX_BODY) {
    throw new RangeError(`an answer of ${result.body.length} bytes, at most ${MAX_BODY} are allowed`);
  }
  return result;
}

function untilAborted(signal: AbortSignal, working: Promise<HostAnswer>): Promise<HostAnswer> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(ABORTED);
    signal.addEventListener("abort", onAbort, { once: true });
    // the plan itself may have ended the call: its event is already over
    if (signal.aborted) onAbort();
    working.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
