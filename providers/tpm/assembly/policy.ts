/**
 * The optional policy: PolicyPCR, then PolicyAuthValue (TPM 2.0 Part 3, clauses 23.7 and 23.17). With the policy, neither the auth value alone nor the
 * right PCRs alone can use the key.
 */
import { FailureCode } from "../../../sdk/assemblyscript/assembly";
import { exchange, flush, NO_SESSIONS } from "./exchange";
import { Out } from "./marshal";
import { startTrial } from "./session";
import { trouble } from "./trouble";

const POLICY_PCR: u32 = 0x17f;
const POLICY_AUTH_VALUE: u32 = 0x16b;
const POLICY_GET_DIGEST: u32 = 0x189;

/** Satisfies the policy in a session. The TPM reads the current PCRs; it compares them when the key is used. */
export function satisfy(session: u32, pcrs: Uint8Array): bool {
  const body = new Out().u32(session).u16(0).raw(pcrs).finish();
  if (exchange(NO_SESSIONS, POLICY_PCR, body, "state the PCRs to the TPM") === null) return false;
  const auth = new Out().u32(session).finish();
  return exchange(NO_SESSIONS, POLICY_AUTH_VALUE, auth, "state the policy to the TPM") !== null;
}

/** Returns the digest of the policy for the current PCRs; null if a trouble was noted. */
export function policyDigest(pcrs: Uint8Array): Uint8Array | null {
  const trial = startTrial();
  if (trial === 0 || !satisfy(trial, pcrs)) return null;
  const action = "compute the key's policy";
  const response = exchange(NO_SESSIONS, POLICY_GET_DIGEST, new Out().u32(trial).finish(), action);
  if (response === null) return null;
  const digest = response.sized();
  if (!response.intact || digest.length !== 32) {
    trouble(FailureCode.FAULT, `Cannot ${action}: the TPM's response does not have the form of Part 3`);
    return null;
  }
  flush(trial);
  return digest;
}
