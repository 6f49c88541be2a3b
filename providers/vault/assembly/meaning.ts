/** Maps the error texts of a 400 to failures. They are OpenBao's; HashiCorp Vault has the same ones. */
import { decimal, FailureCode } from "../../../sdk/assemblyscript/assembly";

export class Meaning {
  constructor(
    public code: FailureCode,
    public what: string,
  ) {}
}

/** Checks if the text reports a missing key. */
export function isMissing(text: string, operation: string): bool {
  if (text.includes("encryption key not found")) return true;
  // The answer to the type that Encrypt sends: a token with "create" gets this instead of a new key.
  return operation === "encrypt" && text.includes("unknown key type");
}

/** `number`: the requested version. Null if the text is unknown. */
export function meaningOf(text: string, number: u32): Meaning | null {
  const version = `version ${decimal(number)}`;
  if (text.includes("soft-deleted")) {
    return unusable("the key is soft-deleted; restore it (keys/KEY/soft-delete-restore)");
  }
  if (text.includes("too old")) {
    return unusable(
      `${version} is below the key's min_decryption_version; lower that until everything is encrypted again, unless the version was trimmed (min_available_version)`,
    );
  }
  if (text.includes("less than the minimum")) {
    return unusable(
      `${version} is below the key's min_encryption_version; this ends when Status names a later version`,
    );
  }
  if (
    text.includes("higher than the latest") ||
    text.includes("too new") ||
    text.includes("no such key version") ||
    text.includes("invalid key version")
  ) {
    return unusable(`it has no ${version} now: it was created again, or restored from an older backup`);
  }
  if (text.includes("message authentication failed") || text.includes("invalid ciphertext")) {
    return new Meaning(
      FailureCode.NOT_OURS,
      "the ciphertext was not made with this key, version and associated data",
    );
  }
  if (
    text.includes("key derivation") ||
    text.includes("not supported for key type") ||
    text.includes("non-AEAD")
  ) {
    return unusable("its type cannot be used; create a key of type aes256-gcm96, not derived");
  }
  return null;
}

function unusable(what: string): Meaning {
  return new Meaning(FailureCode.KEY_UNUSABLE, what);
}
