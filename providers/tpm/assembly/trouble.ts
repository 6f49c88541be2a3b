/**
 * What went wrong in this call. Functions that cannot do their work say so here and return null or false; AssemblyScript has no
 * exceptions to catch, and a call is an instance, so one place is enough.
 */
import { FailureCode, fail } from "../../../sdk/assemblyscript/assembly";

let found: bool = false;
let stale: bool = false;
let failure: FailureCode = FailureCode.FAULT;
let text: string = "";

/** Notes a trouble that doing everything again would not mend. The first one stays: what follows is mostly its consequence. */
export function trouble(code: FailureCode, message: string): void {
  if (found) return;
  found = true;
  failure = code;
  text = message;
}

/** Notes a trouble that may come from a handle or session that the TPM no longer has. */
export function staleTrouble(code: FailureCode, message: string): void {
  if (found) return;
  trouble(code, message);
  stale = true;
}

/** Whether the trouble may be gone with a new session and a newly loaded key. Where it is, it is forgotten. */
export function forgetStale(): bool {
  const was = stale;
  if (was) found = false;
  stale = false;
  return was;
}

/** The reply that tells it. */
export function failed<T>(): T {
  return fail<T>(failure, text);
}
