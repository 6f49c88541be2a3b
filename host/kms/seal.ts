/**
 * Encrypts and reads back: the API server would store a ciphertext that the provider cannot decrypt, so it is never returned. Encrypt
 * is rare (once for each DEK seed), so the second call costs little.
 */
import { KleidiError, toKleidiError } from "../error.ts";
import { checkDecryptReply, checkEncryptReply, equalBytes } from "./check-reply.ts";
import { associatedData } from "./key-id.ts";
import type { SimpleVersion } from "./keyset.ts";
import type { Sealed } from "./provider.ts";

/**
 * Encrypts, and decrypts the result to compare it.
 * @param plaintext 1 to MAX_PLAINTEXT bytes
 * @param bound the associated data, by default that of an object
 * @throws KleidiError the provider's failure; provider-fault; read-back-failed
 */
export async function seal(
  target: SimpleVersion,
  plaintext: Uint8Array,
  bound = dataOf(target),
): Promise<Sealed> {
  const { key, version } = target;
  const sealed = await key.provider.encrypt({
    key: key.name,
    version,
    plaintext,
    associatedData: bound,
  });
  checkEncryptReply(key.provider.name, plaintext, sealed);
  let back: Uint8Array;
  try {
    back = await open(target, sealed, bound);
  } catch (error) {
    throw readBackFailure(key.provider.name, error);
  }
  if (!equalBytes(back, plaintext)) {
    throw new KleidiError(
      "read-back-failed",
      `Cannot encrypt: provider "${key.provider.name}" decrypted its new ciphertext to a different plaintext`,
    );
  }
  return sealed;
}

/**
 * Decrypts.
 * @param bound the associated data, by default that of an object
 * @returns the plaintext, 1 to MAX_PLAINTEXT bytes
 * @throws KleidiError the provider's failure; provider-fault
 */
export async function open(
  target: SimpleVersion,
  sealed: Sealed,
  bound = dataOf(target),
): Promise<Uint8Array> {
  const { key, version } = target;
  const plaintext = await key.provider.decrypt({
    ...sealed,
    key: key.name,
    version,
    associatedData: bound,
  });
  checkDecryptReply(key.provider.name, plaintext);
  return plaintext;
}

/** By version that was used: it is the same in every call. */
const ofObjects = new WeakMap<SimpleVersion, Uint8Array>();

/** The associated data of an object. Another plugin bound none. */
function dataOf(target: SimpleVersion): Uint8Array {
  const known = ofObjects.get(target);
  if (known !== undefined) return known;
  const { key, keyId } = target;
  const made = key.foreign === undefined ? associatedData(key.provider.name, keyId) : new Uint8Array();
  ofObjects.set(target, made);
  return made;
}

/** A read-back fails with ciphertext-invalid or provider-fault only; an unreachable KMS stays an unreachable KMS. */
function readBackFailure(provider: string, error: unknown): KleidiError {
  const failure = toKleidiError(error, "decrypt the new ciphertext");
  if (failure.code !== "ciphertext-invalid" && failure.code !== "provider-fault") return failure;
  return new KleidiError(
    "read-back-failed",
    `Cannot encrypt: provider "${provider}" cannot decrypt its new ciphertext`,
    failure,
  );
}
