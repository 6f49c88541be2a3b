/**
 * The failure of this call. A function that fails notes its reason here and returns null; AssemblyScript has no exceptions to catch, and each
 * call has its own instance, so one place suffices.
 */
import { Failure, FailureCode, fail, failFrom } from "./failure";
import { HostCode, HostReply } from "./host";

let code: FailureCode = FailureCode.FAULT;
let text: string = "";

/**
 * Notes the reason of a failure, for `failed`. The last one counts.
 *
 * @param failure the kind of failure
 * @param message as that of `fail`: begins "Cannot …: "; neither plaintext nor keys
 * @throws Nothing.
 * @example
 * ```ts
 * trouble(FailureCode.KEY_UNUSABLE, "Cannot encrypt: the key is disabled");
 * ```
 */
export function trouble(failure: FailureCode, message: string): void {
  code = failure;
  text = message;
}

/**
 * Notes the trouble of a failed host call, as `failFrom` reports it. NOT_AUTHENTIC becomes CREDENTIAL_REFUSED: the meaning that it has in `net`.
 *
 * @param reply the reply of the host call, with `ok` false
 * @param action completes the sentence "Cannot …"
 * @throws Nothing.
 * @example
 * ```ts
 * const digest = crypto.digest("sha256", utf8("name"));
 * if (!digest.ok) hostTrouble(digest, "hash the key's name");
 * ```
 */
export function hostTrouble(reply: HostReply, action: string): void {
  const failure = failFrom<Told>(reply, action).failure!;
  const refused = reply.code === HostCode.NOT_AUTHENTIC;
  trouble(refused ? FailureCode.CREDENTIAL_REFUSED : (failure.code as FailureCode), failure.message);
}

/**
 * Makes the reply that reports the noted trouble.
 *
 * @returns a reply of type `T` with the failure
 * @throws Nothing.
 * @example
 * ```ts
 * const response = net.ask("GET", "/v1/keys/kek", [], new Uint8Array(0), "read the key");
 * if (response == null) failed<StatusReply>();
 * ```
 */
export function failed<T>(): T {
  return fail<T>(code, text);
}

class Told {
  failure: Failure | null = null;
}
