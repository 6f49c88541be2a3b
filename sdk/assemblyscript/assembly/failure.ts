/** Failures: a provider reports that it cannot do an RPC (docs/ABI.md, section 4, "Failure codes"). */
import { decimal } from "./bytes";
import { HostCode, HostReply } from "./host";
import { DecryptReply, Setting } from "./messages";
import { Writer } from "./protobuf";

/**
 * The kind of a failure; the host maps each to a gRPC code. Any other number counts as FAULT.
 *
 * @example
 * ```ts
 * const reply = fail<StatusReply>(FailureCode.KEY_UNUSABLE, "Cannot use the key: it is disabled");
 * ```
 */
export enum FailureCode {
  /** The ciphertext or the annotations are not what Encrypt made with this key, version and associated data. INVALID_ARGUMENT. */
  NOT_OURS = 1,
  /** The key is missing, disabled or not usable for this. FAILED_PRECONDITION. */
  KEY_UNUSABLE = 2,
  /** The KMS cannot be reached, or asks to be called later. UNAVAILABLE. */
  UNREACHABLE = 3,
  /** The KMS refused the credential. UNAUTHENTICATED. */
  CREDENTIAL_REFUSED = 4,
  /** The KMS answered something that this provider does not understand, or the provider is at fault. INTERNAL. */
  FAULT = 5,
}

/**
 * The failure in a reply; a reply that has one has nothing else. Made by `fail`, `failFrom` and `refuse`.
 *
 * @param code a `FailureCode`
 * @param message for the host's log only, cut at 512 bytes; neither plaintext nor keys
 * @example
 * ```ts
 * const failure = new Failure(FailureCode.UNREACHABLE, "Cannot reach the KMS: it answered 503");
 * ```
 */
export class Failure {
  constructor(
    /** A `FailureCode`. */
    public code: u32,
    /** At most 512 bytes are logged. */
    public message: string,
  ) {}

  /** @internal The message `Failure`. */
  encode(): Uint8Array {
    return new Writer().uint32(1, this.code).string(2, this.message).finish();
  }
}

/**
 * Makes a reply of type `T` that reports a failure.
 *
 * @param code the kind of failure
 * @param message begins "Cannot …: " and gives the reason; logged by the host, cut at 512 bytes, never sent; neither plaintext nor keys
 * @returns a `StatusReply`, `EncryptReply`, `DecryptReply` or `ProvisionReply` with the failure
 * @throws Nothing.
 * @example
 * ```ts
 * const reply = fail<EncryptReply>(FailureCode.KEY_UNUSABLE, "Cannot encrypt: the version is unknown");
 * ```
 */
export function fail<T>(code: FailureCode, message: string): T {
  const reply = instantiate<T>();
  reply.failure = new Failure(code as u32, message);
  return reply;
}

/**
 * Makes a reply that reports a failed host call: NOT_AUTHENTIC becomes NOT_OURS, NOT_FOUND becomes KEY_UNUSABLE, UNAVAILABLE becomes
 * UNREACHABLE, and every other code FAULT.
 *
 * @param reply the reply of the host call, with `ok` false
 * @param action completes the sentence "Cannot …"
 * @returns a reply of type `T` with the failure
 * @throws Nothing.
 * @example
 * ```ts
 * const sealed = keystore.seal("kek", "v1", utf8("seed"), utf8("context"));
 * if (!sealed.ok) failFrom<EncryptReply>(sealed, "seal with the key");
 * ```
 */
export function failFrom<T>(reply: HostReply, action: string): T {
  const text = `Cannot ${action}: the host answered code ${decimal(reply.code)}, "${reply.message}"`;
  if (reply.code === HostCode.NOT_AUTHENTIC) return fail<T>(FailureCode.NOT_OURS, text);
  if (reply.code === HostCode.NOT_FOUND) return fail<T>(FailureCode.KEY_UNUSABLE, text);
  if (reply.code === HostCode.UNAVAILABLE) return fail<T>(FailureCode.UNREACHABLE, text);
  return fail<T>(FailureCode.FAULT, text);
}

/**
 * Makes a reply for a key with settings in a provider that has none: a typo, or a setting of another provider, must not pass unseen.
 *
 * @param key the name of the key in the request
 * @param settings the settings in the request, at least one
 * @returns a reply of type `T` with the failure KEY_UNUSABLE
 * @throws Nothing.
 * @example
 * ```ts
 * const settings = [new Setting("mount", "transit")];
 * if (settings.length > 0) failSettings<StatusReply>("kek", settings);
 * ```
 */
export function failSettings<T>(key: string, settings: Setting[]): T {
  return fail<T>(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the key "${key}": its setting "${settings[0].name}" is not known, this provider has no settings; remove it`,
  );
}

/**
 * Makes a reply to Decrypt that refuses the ciphertext or its annotations as NOT_OURS.
 *
 * @param why completes the sentence "Cannot decrypt the ciphertext: …", such as "its format is 3, only 1 is known"
 * @returns the reply
 * @throws Nothing.
 * @example
 * ```ts
 * const reply = refuse("it is 3 bytes, at least 30 are needed");
 * ```
 */
export function refuse(why: string): DecryptReply {
  return fail<DecryptReply>(FailureCode.NOT_OURS, `Cannot decrypt the ciphertext: ${why}`);
}
