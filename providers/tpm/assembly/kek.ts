/**
 * Derives from the KEK: one block of the SP 800-108 counter-mode KDF, `[1]32 ‖ label ‖ 00 ‖ context ‖ [bits]32`, with HMAC-SHA256. The label
 * holds the scheme, so that the same bytes imported under both are two keys.
 */
import { FailureCode } from "../../../sdk/assemblyscript/assembly";
import { Key, Lease } from "./lease";
import { Out } from "./marshal";
import { satisfy } from "./policy";
import { hmac, label } from "./primitives";
import { Scheme } from "./scheme";
import { Answer, HIDE_COMMAND, HIDE_RESPONSE, run, Session } from "./session";
import { trouble } from "./trouble";

const HMAC: u32 = 0x155;
const UNSEAL: u32 = 0x15e;

/** The KDF input of the key that seals one seed. */
export function seedInput(scheme: Scheme, keyId: Uint8Array, nonce: Uint8Array): Uint8Array {
  const use = scheme.sealed ? "kleidi tpm sealed 1 seed" : "kleidi tpm hmac 1 seed";
  return new Out().u32(1).raw(label(use)).raw(keyId).raw(nonce).u32(256).finish();
}

/**
 * The KDF input of the key's id, a fingerprint of the KEK itself. The Name is not usable, because a TPM blinds it with
 * a random value: the same KEK imported into the TPMs of several control planes has another Name in each.
 */
export function idInput(scheme: Scheme): Uint8Array {
  const use = scheme.sealed ? "kleidi tpm sealed 1 id" : "kleidi tpm hmac 1 id";
  return new Out().u32(1).raw(label(use)).u32(128).finish();
}

/** Returns 32 bytes; null if a trouble was noted. */
export function derive(lease: Lease, key: Key, input: Uint8Array): Uint8Array | null {
  // A loaded key has the sessions that it needs.
  const session = (key.scheme.hasPolicy ? lease.policy : lease.session)!;
  if (key.scheme.hasPolicy && !satisfy(session.handle, key.scheme.pcrs)) return null;
  const answer = key.scheme.sealed ? unseal(session, key) : compute(session, key, input);
  if (answer === null) return null;
  if (answer.first.length !== 32) {
    trouble(FailureCode.FAULT, "Cannot derive from the KEK: the TPM's answer is not 32 bytes long");
    return null;
  }
  return key.scheme.sealed ? hmac(answer.first, input) : answer.first;
}

function compute(session: Session, key: Key, input: Uint8Array): Answer | null {
  const sha256 = new Out().u16(0x000b).finish();
  return run(
    session,
    HMAC,
    key.handle,
    key.name,
    key.auth,
    input,
    sha256,
    HIDE_COMMAND | HIDE_RESPONSE,
    "compute with the KEK",
  );
}

function unseal(session: Session, key: Key): Answer | null {
  const none = new Uint8Array(0);
  return run(session, UNSEAL, key.handle, key.name, key.auth, null, none, HIDE_RESPONSE, "unseal the KEK");
}
