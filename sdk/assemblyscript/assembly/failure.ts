/** How a provider says that it cannot do what was asked (docs/ABI.md, section 4, "Failure codes"). */
import { decimal } from "./bytes";
import { HostCode, HostReply } from "./host";
import { DecryptReply } from "./messages";
import { Writer } from "./protobuf";

/** What is wrong; the host turns each into a gRPC code of its own. */
export enum FailureCode {
  /** The ciphertext or the annotations are not what Encrypt made with this key, version and associated data. */
  NOT_OURS = 1,
  /** The key is missing, disabled or not usable for this. */
  KEY_UNUSABLE = 2,
  /** The KMS cannot be reached, or asks to be called later. */
  UNREACHABLE = 3,
  /** The KMS refused the credential. */
  CREDENTIAL_REFUSED = 4,
  /** The KMS answered something that this provider does not understand, or the provider is at fault. */
  FAULT = 5,
}

export class Failure {
  constructor(
    public code: u32,
    public message: string,
  ) {}

  encode(): Uint8Array {
    return new Writer().uint32(1, this.code).string(2, this.message).finish();
  }
}

/**
 * A reply of type T that says that the call failed: `return fail<EncryptReply>(FailureCode.KEY_UNUSABLE, "…")`. The
 * message goes to the host's log only, cut at 512 bytes; plaintext and keys do not belong in it.
 */
export function fail<T>(code: FailureCode, message: string): T {
  const reply = instantiate<T>();
  reply.failure = new Failure(code as u32, message);
  return reply;
}

/**
 * The failure that fits a host call that did not succeed: `return failFrom<EncryptReply>(sealed, "seal with the key")`.
 * `action` completes the sentence "Cannot …".
 */
export function failFrom<T>(reply: HostReply, action: string): T {
  const text = `Cannot ${action}: the host answered code ${decimal(reply.code)}, "${reply.message}"`;
  if (reply.code === HostCode.NOT_AUTHENTIC) return fail<T>(FailureCode.NOT_OURS, text);
  if (reply.code === HostCode.NOT_FOUND) return fail<T>(FailureCode.KEY_UNUSABLE, text);
  if (reply.code === HostCode.UNAVAILABLE) return fail<T>(FailureCode.UNREACHABLE, text);
  return fail<T>(FailureCode.FAULT, text);
}

export function refuse(why: string): DecryptReply {
  return fail<DecryptReply>(FailureCode.NOT_OURS, `Cannot decrypt the ciphertext: ${why}`);
}
