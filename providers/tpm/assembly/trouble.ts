/**
 * The failure of this call. A function that fails notes its reason here and returns null or false; AssemblyScript has no
 * exceptions to catch, and each call has its own instance, so one place suffices.
 */
import { FailureCode, fail } from "../../../sdk/assemblyscript/assembly";

let found: bool = false;
let stale: bool = false;
let failure: FailureCode = FailureCode.FAULT;
let text: string = "";

/** Notes a trouble that a retry would not fix. The first one is kept: later ones are mostly its consequence. */
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

/** Returns true, and forgets the trouble, if a new session and a newly loaded key may fix it. */
export function forgetStale(): bool {
  const was = stale;
  if (was) found = false;
  stale = false;
  return was;
}

/** Makes the reply that reports the trouble. */
export function failed<T>(): T {
  return fail<T>(failure, text);
}
