/** The states of a version (CryptoKeyVersionState), each with its remedy. */
import { decimal, FailureCode, trouble } from "../../../sdk/assemblyscript/assembly";
import { KeyName } from "./name";

/**
 * Notes the trouble of a version that is not enabled.
 * @param action completes "Cannot …"
 * @param number of the version; 0 if it is not known
 */
export function stateTrouble(action: string, name: KeyName, number: u32, state: string): void {
  const version = number > 0 ? `its version ${decimal(number)}` : "a version of it";
  const verb = state === "DISABLED" ? "enable" : "restore";
  const command = `gcloud kms keys versions ${verb} ${number > 0 ? decimal(number) : "VERSION"} --key=${name.part(3)} ${name.options}`;
  if (state === "DISABLED") return note(action, `${version} is disabled; enable it: ${command}`);
  if (state === "DESTROY_SCHEDULED") {
    return note(
      action,
      `${version} is scheduled for destruction, after which nothing can be decrypted; restore it at once, and enable it then: ${command}`,
    );
  }
  if (state === "DESTROYED")
    return note(
      action,
      `${version} is destroyed and cannot be restored: nothing that it encrypted can be decrypted`,
    );
  if (state === "PENDING_GENERATION" || state === "PENDING_IMPORT") {
    trouble(FailureCode.UNREACHABLE, `Cannot ${action}: ${version} is being created; this ends by itself`);
    return;
  }
  note(action, `the state of ${version} is "${state.slice(0, 40)}"; only an enabled version can be used`);
}

/** The state in the text of a refusal: "… is not enabled, current state is: DISABLED."; "" if there is none. */
export function stateIn(text: string): string {
  const before = "current state is: ";
  const at = text.indexOf(before);
  if (at < 0) return "";
  let end = at + before.length;
  while (end < text.length && isLetter(text.charCodeAt(end))) end++;
  return text.slice(at + before.length, end);
}

/** Of the name of an enum. */
function isLetter(letter: i32): bool {
  return (letter >= 65 && letter <= 90) || letter === 95;
}

function note(action: string, what: string): void {
  trouble(FailureCode.KEY_UNUSABLE, `Cannot ${action}: ${what}`);
}
