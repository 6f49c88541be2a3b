/** Loads a key from its state record and proves that it is the right one. */
import { FailureCode, same } from "../../../sdk/assemblyscript/assembly";
import { reportBinding } from "./binding";
import { derive, idInput } from "./kek";
import { Key, Lease } from "./lease";
import { Out } from "./marshal";
import { openParent } from "./parent";
import { readPcrs } from "./pcrs";
import { Wrapped } from "./pem";
import { nameOf, Primary } from "./primary";
import { Record } from "./record";
import { HMAC_SESSION, LOAD, POLICY_SESSION, run, startSession } from "./session";
import { trouble } from "./trouble";

/** Loads the key of a record, and starts the sessions that it needs. Status also examines its PCRs: the host calls of the other RPCs are needed for recovery. */
export function load(lease: Lease, label: string, record: Record, isStatus: bool): Key | null {
  lease.makeRoom();
  const primary = openParent();
  if (primary === null) return null;
  lease.primary = primary.handle;
  if (!same(primary.name, record.primary)) {
    trouble(
      FailureCode.KEY_UNUSABLE,
      `Cannot use the key "${label}": this TPM's storage primary is not the parent of the key; it is another TPM, or it was cleared; where the key's bytes were escrowed, import them: kleidi key init --import FILE`,
    );
    return null;
  }
  if (!startSessions(lease, primary, record.scheme.hasPolicy)) return null;
  const key = new Key(label, 0, nameOf(record.key.area), record.auth, record.keyId, record.scheme);
  if (!loadWrapped(lease, primary, key, record.key)) return null;
  lease.flushPrimary();
  lease.add(key);
  const examined = isStatus && key.scheme.hasPolicy;
  const pcrs = examined ? readPcrs(key.scheme) : null;
  if (examined && pcrs === null) return null;
  const id = derive(lease, key, idInput(key.scheme));
  if (id === null) return null;
  if (!same(id.slice(0, 16), record.keyId)) {
    trouble(FailureCode.KEY_UNUSABLE, `Cannot use the key "${label}": it is not the KEK of its state record`);
    return null;
  }
  if (pcrs !== null) reportBinding(label, key.scheme, record.key.area, pcrs);
  return key;
}

export function startSessions(lease: Lease, primary: Primary, withPolicy: bool): bool {
  if (lease.session === null) lease.session = startSession(primary, HMAC_SESSION);
  if (lease.session === null) return false;
  if (withPolicy && lease.policy === null) lease.policy = startSession(primary, POLICY_SESSION);
  return !withPolicy || lease.policy !== null;
}

/** TPM2_Load (Part 3, 12.2); sets the key's handle. */
export function loadWrapped(lease: Lease, primary: Primary, key: Key, wrapped: Wrapped): bool {
  const session = lease.session!;
  const area = new Out().sized(wrapped.area).finish();
  const action = "load the key into the TPM";
  const none = new Uint8Array(0);
  // Nothing to hide: the sensitive part is encrypted by the TPM itself, and the response is the Name.
  const answer = run(session, LOAD, primary.handle, primary.name, none, wrapped.sensitive, area, 0, action);
  if (answer === null) return false;
  key.handle = answer.handle;
  if (same(answer.first, key.name)) return true;
  trouble(FailureCode.FAULT, `Cannot ${action}: the TPM loaded another key`);
  return false;
}
