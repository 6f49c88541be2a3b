/**
 * One use of a key: enter, one command to the TPM, leave. If the memory is empty or stale, sessions and key are created
 * again from the state record, once.
 *
 * If that fails too, the call ends without `leave`: the host then flushes everything of this provider and forgets it, so a
 * session that an attacker touched is never used again.
 */
import { FailureCode, same } from "../../../sdk/assemblyscript/assembly";
import { derive, idInput, seedInput } from "./kek";
import { enter, Key, Lease } from "./lease";
import { load } from "./load";
import { readRecord } from "./record";
import { Scheme } from "./scheme";
import { hex } from "./text";
import { forgetStale, trouble } from "./trouble";

/** The properties of a key that the RPCs need, and 32 bytes derived from it. */
export class Derived {
  constructor(
    public scheme: Scheme,
    public keyId: Uint8Array,
    public bytes: Uint8Array,
  ) {}
}

/** Maximum length of a name: two keys must fit into the memory of 1,024 bytes. */
const MAX_LABEL = 128;

/** Derives the AES key for one seed. `keyId` is the requested version: another key under the same name is refused. */
export function deriveSeedKey(label: string, keyId: Uint8Array, nonce: Uint8Array): Derived | null {
  return use(label, keyId, nonce);
}

/** Has the TPM compute the key's id. */
export function deriveId(label: string): Derived | null {
  const none = new Uint8Array(0);
  return use(label, none, none);
}

function use(label: string, keyId: Uint8Array, nonce: Uint8Array): Derived | null {
  if (!isLabel(label)) return null;
  const lease = enter();
  if (lease === null) return null;
  const remembered = lease.session !== null;
  let derived = attempt(lease, label, keyId, nonce);
  if (derived === null && remembered && forgetStale()) {
    lease.drop();
    derived = attempt(lease, label, keyId, nonce);
  }
  if (derived !== null) lease.leave();
  return derived;
}

/** Checks that a name fits into the memory. */
export function isLabel(label: string): bool {
  if (String.UTF8.byteLength(label) <= MAX_LABEL) return true;
  trouble(FailureCode.KEY_UNUSABLE, "Cannot use the key: its name has more than 128 bytes");
  return false;
}

function attempt(lease: Lease, label: string, keyId: Uint8Array, nonce: Uint8Array): Derived | null {
  let key = lease.find(label);
  const isNew = key === null;
  if (key === null) {
    const record = readRecord(label);
    // The TPM is fine: another loaded key stays loaded.
    if (record === null) lease.leave();
    else key = load(lease, label, record, nonce.length === 0);
  }
  if (key === null || !isVersion(lease, key, keyId)) return null;
  // If only the id is needed, the load has just compared it.
  const compared = isNew && nonce.length === 0;
  const bytes = compared ? key.keyId : derive(lease, key, input(key, nonce));
  return bytes === null ? null : new Derived(key.scheme, key.keyId, bytes);
}

function input(key: Key, nonce: Uint8Array): Uint8Array {
  return nonce.length === 0 ? idInput(key.scheme) : seedInput(key.scheme, key.keyId, nonce);
}

function isVersion(lease: Lease, key: Key, keyId: Uint8Array): bool {
  if (keyId.length === 0 || same(key.keyId, keyId)) return true;
  lease.leave();
  trouble(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the version ${hex(keyId)} of "${key.label}": the key in the TPM is ${hex(key.keyId)}`,
  );
  return false;
}
