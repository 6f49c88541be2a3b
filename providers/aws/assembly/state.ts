/** The states of a key (KMS Developer Guide, "Key states"), each with its remedy. */
import { FailureCode, trouble } from "../../../sdk/assemblyscript/assembly";

/** True if a key in this state encrypts and decrypts. A primary key is being updated while another replica becomes the primary one. */
export function isUsable(state: string): bool {
  return state === "Enabled" || state === "Updating";
}

/**
 * Notes the trouble of a key that is not usable.
 * @param action completes "Cannot …"
 * @param key its name, for a command
 */
export function stateTrouble(action: string, key: string, state: string): void {
  if (state === "Disabled") {
    return note(action, `it is disabled; enable it: aws kms enable-key --key-id ${key}`);
  }
  if (state === "PendingDeletion" || state === "PendingReplicaDeletion") {
    return note(
      action,
      `it is scheduled for deletion, after which nothing can be decrypted; at once: aws kms cancel-key-deletion --key-id ${key} && aws kms enable-key --key-id ${key}`,
    );
  }
  if (state === "PendingImport") {
    return note(
      action,
      "its imported key material was deleted or has expired; import the same material again (aws kms import-key-material)",
    );
  }
  if (state === "Creating") return wait(action, "it is being created; this ends by itself");
  if (state === "Unavailable") {
    return wait(
      action,
      "its custom key store is not connected; connect it (aws kms connect-custom-key-store), or repair the external key manager",
    );
  }
  note(action, `its state is "${state.slice(0, 32)}"; only an enabled key can be used`);
}

function note(action: string, what: string): void {
  trouble(FailureCode.KEY_UNUSABLE, `Cannot ${action}: ${what}`);
}

function wait(action: string, what: string): void {
  trouble(FailureCode.UNREACHABLE, `Cannot ${action}: ${what}`);
}
