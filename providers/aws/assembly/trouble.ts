/**
 * The failure of this call. A function that fails notes its reason here and returns null; AssemblyScript has no exceptions to
 * catch, and each call has its own instance, so one place suffices. It never stores plaintext or ciphertext.
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

/** Notes the trouble of a failed host call. */
export function hostTrouble(reply: HostReply, action: string): void {
  const failure = failFrom<Told>(reply, action).failure!;
  // NOT_AUTHENTIC means here that the host got no keys of AWS (docs/ABI.md, kleidi:net).
  const refused = reply.code === HostCode.NOT_AUTHENTIC;
  trouble(refused ? FailureCode.CREDENTIAL_REFUSED : (failure.code as FailureCode), failure.message);
}

/** Makes the reply that reports the trouble. */
export function failed<T>(): T {
  return fail<T>(code, text);
}

class Told {
  failure: Failure | null = null;
}
