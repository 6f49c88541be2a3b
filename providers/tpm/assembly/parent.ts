/**
 * The storage key that wraps the keys: the primary, derived again each time, or a persistent object that the key's setting `parent` names. The
 * persistent one is for a TPM whose owner hierarchy has a password: without it, no primary can be derived.
 */
import { FailureCode, Setting } from "../../../sdk/assemblyscript/assembly";
import { exchange, NO_SESSIONS } from "./exchange";
import { In, Out } from "./marshal";
import { createPrimary, nameOf, Primary, readPoint } from "./primary";
import { code, unhex } from "./text";
import { trouble } from "./trouble";

const READ_PUBLIC: u32 = 0x173;
const PERSISTENT: u32 = 0x81;

/** The handle of this call's key, 0 for the primary: each call has its own instance. */
let persistent: u32 = 0;

/** Reads the settings of the key, before anything else of the call. False if a trouble was noted. */
export function readSettings(label: string, settings: Setting[]): bool {
  for (let i = 0; i < settings.length; i++) {
    const name = settings[i].name;
    const value = settings[i].value;
    if (name === "parent") persistent = handleOf(value);
    if (name === "parent" && persistent !== 0) continue;
    const fault =
      name === "parent"
        ? `its setting "parent" is "${value}"; write a persistent handle, such as "0x81000001"`
        : `the setting "${name}" is not known; there is "parent"`;
    trouble(FailureCode.KEY_UNUSABLE, `Cannot use the key "${label}": ${fault}`);
    return false;
  }
  return true;
}

/** Returns 0 for any other text than "0x81" and six lower-case hexadecimal digits. */
function handleOf(text: string): u32 {
  const bytes = text.startsWith("0x") ? unhex(text.slice(2)) : null;
  if (bytes === null || bytes.length !== 4 || bytes[0] !== PERSISTENT) return 0;
  return new In(bytes).u32();
}

/** Finds the storage key; null if a trouble was noted. The caller compares its Name with the record's. */
export function openParent(): Primary | null {
  return persistent === 0 ? createPrimary() : readPersistent(persistent);
}

/** TPM2_ReadPublic (Part 3, 12.4). The response is not authenticated: the Name is compared, and a session with its holder is started. */
function readPersistent(handle: u32): Primary | null {
  const action = `read the persistent object ${code(handle)}, which the setting "parent" names`;
  const response = exchange(NO_SESSIONS, READ_PUBLIC, new Out().u32(handle).finish(), action);
  if (response === null) return null;
  const area = response.sized();
  const primary = new Primary();
  primary.handle = handle;
  primary.name = nameOf(area);
  if (response.ok && readPoint(primary, area)) return primary;
  trouble(
    FailureCode.KEY_UNUSABLE,
    `Cannot use ${code(handle)} as the parent of keys: it is not a storage key with ECC P-256, AES-128-CFB, SHA-256 and noDA; providers/tpm/README.md has the command that makes one`,
  );
  return null;
}
