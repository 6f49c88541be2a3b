/**
 * One call of the guest under test: its host calls are recorded, and single answers can be replaced. The host calls of a call run in the
 * async context of its caller, so many calls can run at once.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Gate, type HostAnswer, type HostCall, HostCode } from "../host-call.ts";
import type { GuestUsage } from "../sandbox/child.ts";

/** A host call that was made, with its answer. */
export interface MadeCall extends Pick<HostCall, "capability" | "operation" | "request"> {
  readonly answer: HostAnswer;
  /** How long the host took. */
  readonly ms: number;
}

/**
 * Gives an answer in place of the host's, or undefined.
 * @param index of the host call, 0-based; lines of kleidi:log are not counted and not asked for
 * @param own performs the host call
 */
export type Replace = (
  call: HostCall,
  index: number,
  own: () => Promise<HostAnswer>,
) => HostAnswer | undefined | Promise<HostAnswer | undefined>;

export interface CallScript {
  readonly replace?: Replace | undefined;
  /** Performs the host calls of this call in place of the host. */
  readonly gate?: Gate | undefined;
  readonly made: MadeCall[];
  /** What the call used, if the process reports it. */
  usage?: GuestUsage;
  /** The lines that the guest wrote to kleidi:log; not counted in `made`. */
  readonly lines: Uint8Array[];
}

/** Until the host answers. */
const PENDING: HostAnswer = {
  code: HostCode.UNAVAILABLE,
  message: "not answered yet",
  body: new Uint8Array(),
};

const scripts = new AsyncLocalStorage<CallScript>();

/** Runs a call of the guest under a script. */
export function underScript<T>(script: CallScript, work: () => Promise<T>): Promise<T> {
  return scripts.run(script, work);
}

/** A gate that obeys the script of each call, and is `inner` without one. */
export function scripted(inner: Gate): Gate {
  return async (call) => {
    const script = scripts.getStore();
    if (script === undefined) return await inner(call);
    const { capability, operation, request } = call;
    if (capability === "log") {
      script.lines.push(request);
      return await inner(call);
    }
    const index = script.made.length;
    // before the answer, so that two host calls have two indexes
    const begun = performance.now();
    const made = { capability, operation, request, answer: PENDING, ms: 0 };
    script.made.push(made);
    const own = () => (script.gate ?? inner)(call);
    made.answer = (await script.replace?.(call, index, own)) ?? (await own());
    made.ms = performance.now() - begun;
    return made.answer;
  };
}

/** Records what a call used. */
export function recordUsage(usage: GuestUsage): void {
  const script = scripts.getStore();
  if (script !== undefined) script.usage = usage;
}

/** Records a host call after a denial, which the host does not perform. */
export function recordIgnored({
  capability,
  operation,
  request,
}: Pick<MadeCall, "capability" | "operation" | "request">): void {
  if (capability === "log") return;
  const answer = { code: HostCode.DENIED, message: "", body: new Uint8Array() };
  scripts.getStore()?.made.push({ capability, operation, request, answer, ms: 0 });
}

/** @returns true for a host call that was denied, which voids the whole call */
export function isDenied({ answer }: MadeCall): boolean {
  return answer.code === HostCode.DENIED;
}
