/**
 * What went wrong in this call. Functions that cannot do their work say so here and return null; AssemblyScript has no exceptions to
 * catch, and a call is an instance, so one place is enough. Plaintext and ciphertext never get here.
 */
import {
  Failure,
  FailureCode,
  fail,
  failFrom,
  HostCode,
  HostReply,
} from "../../../sdk/assemblyscript/assembly";

let code: FailureCode = FailureCode.FAULT;
let text: string = "";

export function trouble(failure: FailureCode, message: string): void {
  code = failure;
  text = message;
}

/** A host call did not succeed. */
export function hostTrouble(reply: HostReply, action: string): void {
  const failure = failFrom<Told>(reply, action).failure!;
  // The only sealed thing that is not authentic here is the host's own login (docs/ABI.md, kleidi:net).
  const refused = reply.code === HostCode.NOT_AUTHENTIC;
  trouble(refused ? FailureCode.CREDENTIAL_REFUSED : (failure.code as FailureCode), failure.message);
}

/** The reply that tells it. */
export function failed<T>(): T {
  return fail<T>(code, text);
}

class Told {
  failure: Failure | null = null;
}
