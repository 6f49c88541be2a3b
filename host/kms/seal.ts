/**
 * Encrypt with its read-back: what a provider cannot decrypt is never handed out, because it would be stored. Encrypt is rare
 * (once for each DEK seed), so the second call costs little.
 */
import { KleidiError, toKleidiError } from "../error.ts";
import { checkDecryptReply, checkEncryptReply, equalBytes } from "./check-reply.ts";
import { associatedData } from "./key-id.ts";
import type { KeyVersion } from "./keyset.ts";
import type { Sealed } from "./provider.ts";

/** @throws KleidiError what the provider failed with; provider-fault; read-back-failed */
export async function seal(target: KeyVersion, plaintext: Uint8Array): Promise<Sealed> {
  const { key, version, keyId } = target;
  const sealed = await key.provider.encrypt({
    key: key.name,
    version,
    plaintext,
    associatedData: associatedData(key.provider.name, keyId),
  });
  checkEncryptReply(key.provider.name, plaintext, sealed);
  let back: Uint8Array;
  try {
    back = await open(target, sealed);
  } catch (error) {
    throw readBackFailure(key.provider.name, error);
  }
  if (!equalBytes(back, plaintext)) {
    throw new KleidiError(
      "read-back-failed",
      `Cannot encrypt: provider "${key.provider.name}" decrypts what it just encrypted to something else`,
    );
  }
  return sealed;
}

/** @throws KleidiError what the provider failed with; provider-fault */
export async function open(target: KeyVersion, sealed: Sealed): Promise<Uint8Array> {
  const { key, version, keyId } = target;
  const plaintext = await key.provider.decrypt({
    ...sealed,
    key: key.name,
    version,
    associatedData: associatedData(key.provider.name, keyId),
  });
  checkDecryptReply(key.provider.name, plaintext);
  return plaintext;
}

/** Only "this is not mine" is a failed read-back; a KMS that went away in between is that. */
function readBackFailure(provider: string, error: unknown): KleidiError {
  const failure = toKleidiError(error, "decrypt what was just encrypted");
  if (failure.code !== "ciphertext-invalid" && failure.code !== "provider-fault") return failure;
  return new KleidiError(
    "read-back-failed",
    `Cannot encrypt: provider "${provider}" cannot decrypt what it just encrypted`,
    failure,
  );
}
