/** The host call of a guest: parsed, numbered, passed to the gate once. */
import { type Gate, type HostAnswer, HostCode } from "../host-call.ts";
import type { PendingCall } from "./pending-calls.ts";
import { MAX_MESSAGE } from "./wire.mjs";

export interface GuestHostCall {
  readonly capability: string;
  readonly operation: string;
  readonly request: Uint8Array;
}

const NO_BODY = new Uint8Array();

/** @param payload of a HOST_CALL frame: two names with their lengths in one byte each, then the request */
export function parseHostCall(payload: Buffer): GuestHostCall {
  const first = payload[0] ?? 0;
  const second = payload[1 + first] ?? 0;
  return {
    capability: payload.toString("utf8", 1, 1 + first),
    operation: payload.toString("utf8", 2 + first, 2 + first + second),
    request: new Uint8Array(payload.subarray(2 + first + second)),
  };
}

/**
 * Counts a host call of a call in progress.
 *
 * @param imported the module's imports, each as "kleidi:log write"
 * @param hostCalls the most host calls of one call
 * @returns false for a host call that no guest can make: our guest program checks the imports and the limits itself
 */
export function countHostCall(
  pending: PendingCall,
  { capability, operation, request }: GuestHostCall,
  imported: ReadonlySet<string>,
  hostCalls: number,
): boolean {
  pending.hostCalls += 1;
  const isOverLimit = pending.hostCalls > hostCalls || request.length > MAX_MESSAGE;
  return !isOverLimit && imported.has(`kleidi:${capability} ${operation}`);
}

/**
 * Passes a counted host call to the gate, in the caller's async context. After a denial nothing else of the call is performed.
 * @param onIgnored called for a host call after a denial
 */
export async function passGate(
  pending: PendingCall,
  made: GuestHostCall,
  gate: Gate,
  provider: string,
  onIgnored?: (made: GuestHostCall) => void,
): Promise<HostAnswer> {
  if (pending.denied !== undefined) {
    if (onIgnored !== undefined) pending.within(onIgnored, made);
    return { code: HostCode.DENIED, message: pending.denied, body: NO_BODY };
  }
  const ordinalOfCapability = (pending.perCapability.get(made.capability) ?? 0) + 1;
  pending.perCapability.set(made.capability, ordinalOfCapability);
  pending.waiting = true;
  pending.abort ??= new AbortController();
  const answer = await pending.within(gate, {
    provider,
    rpc: pending.rpc,
    ordinal: pending.hostCalls,
    ordinalOfCapability,
    ...made,
    signal: pending.abort.signal,
  });
  pending.waiting = false;
  if (answer.failedStep !== undefined) pending.failures.step = answer.failedStep;
  if (answer.code === HostCode.DENIED) pending.denied ??= answer.message;
  return answer;
}
