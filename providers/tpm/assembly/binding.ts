/** The dependence of a key on its PCRs: confirmed before the key is created, and examined when a key is loaded. */
import { FailureCode, log, same } from "../../../sdk/assemblyscript/assembly";
import { In } from "./marshal";
import { digestOf, listOf, PcrValues, readPcrs } from "./pcrs";
import { policyDigest } from "./policy";
import { Scheme } from "./scheme";
import { trouble } from "./trouble";

/** PCRs that a program at locality 0 can set back to zero (PC Client Platform TPM Profile, 4.6.2). */
const RESETTABLE: u32 = (1 << 16) | (1 << 23);
/** PCRs of a dynamic launch: all ff until one takes place. */
const DYNAMIC: u32 = 0x7e0000;

/** Returns the digest of the policy, which depends on every PCR of the scheme; null if a trouble was noted. */
export function confirmedPolicy(label: string, scheme: Scheme): Uint8Array | null {
  const values = readPcrs(scheme);
  if (values === null) return null;
  const action = `Cannot create the key "${label}"`;
  const missing = scheme.bits & ~values.present;
  if (missing !== 0) {
    const remedy = `turn the bank on in the firmware's settings, or with tpm2_pcrallocate and a restart; or name PCRs that tpm2_pcrread prints`;
    trouble(
      FailureCode.KEY_UNUSABLE,
      `${action}: the TPM has no PCR ${listOf(missing)} in its bank ${scheme.bankName}, so the key would not depend on it; ${remedy}`,
    );
    return null;
  }
  const digest = policyDigest(scheme.pcrs);
  if (digest === null) return null;
  if (!same(digest, digestOf(scheme, values))) {
    trouble(
      FailureCode.KEY_UNUSABLE,
      `${action}: the TPM's policy is not that of the PCRs ${listOf(scheme.bits)} as they were read; if they changed meanwhile, run kleidi key init again`,
    );
    return null;
  }
  warnOfWeak(label, scheme, values);
  return digest;
}

/**
 * Logs an error if the key does not depend on its PCRs, as one may that was created before confirmedPolicy existed, and warnings about PCRs that protect little. The key stays usable.
 *
 * @param values read before the key was used successfully: a PCR that changed between would have made that use fail
 */
export function reportBinding(label: string, scheme: Scheme, area: Uint8Array, values: PcrValues): void {
  const isComplete = values.present === scheme.bits;
  if (isComplete && same(policyOf(area), digestOf(scheme, values))) return warnOfWeak(label, scheme, values);
  log.error(
    `The key "${label}" does not depend on the PCRs of its scheme (${scheme.bankName}: ${listOf(scheme.bits)}): the TPM did not have them when the key was created. Leave the bank off while this key is needed, because turning it on locks the key; create a key of another name without PCRs or with PCRs of another bank, and rotate to it`,
  );
}

/** authPolicy of a TPMT_PUBLIC (Part 2, clause 12.2.4), after type, nameAlg and objectAttributes. */
function policyOf(area: Uint8Array): Uint8Array {
  const reader = new In(area);
  reader.raw(8);
  return reader.sized();
}

function warnOfWeak(label: string, scheme: Scheme, values: PcrValues): void {
  const key = `The key "${label}" depends on`;
  const resettable = scheme.bits & RESETTABLE;
  const notLaunched = scheme.bits & DYNAMIC & values.ones;
  const notMeasured = (values.zeros | values.ones) & ~resettable & ~notLaunched;
  if (notMeasured !== 0) {
    log.warn(
      `${key} PCR ${listOf(notMeasured)}, whose bytes are all 00 or all ff: nothing was measured into it, so it is the same after other boots. Choose PCRs that tpm2_pcrread shows with other values`,
    );
  }
  if (resettable !== 0) {
    log.warn(
      `${key} PCR ${listOf(resettable)}, which every program on the machine can reset. Choose PCRs from 0 to 15`,
    );
  }
  if (notLaunched !== 0) {
    log.warn(
      `${key} PCR ${listOf(notLaunched)}, which has a value only after a dynamic launch, and none took place. Choose PCRs from 0 to 15`,
    );
  }
}
