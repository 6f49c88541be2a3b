/** Turns the facts about a TPM into findings: its identity, features that a provider needs and the TPM lacks, and faults that block it now. */
import type { Finding } from "../../finding.ts";
import type { Need } from "../capability.ts";
import type { TpmFacts } from "./examine.ts";
import { featuresOf, needFindings } from "./features.ts";
import type { Hierarchy } from "./grant.ts";
import { QUOTA } from "./policy.ts";

/** TPM_PT (TPM 2.0 Part 2, 6.13). */
export const PT = {
  REVISION: 0x102,
  MANUFACTURER: 0x105,
  VENDOR_STRING_1: 0x106,
  FIRMWARE_VERSION_1: 0x10b,
  FIRMWARE_VERSION_2: 0x10c,
  HR_TRANSIENT_MIN: 0x10e,
  HR_LOADED_MIN: 0x110,
  ACTIVE_SESSIONS_MAX: 0x111,
  PERMANENT: 0x200,
  STARTUP_CLEAR: 0x201,
  HR_LOADED_AVAIL: 0x204,
  HR_ACTIVE_AVAIL: 0x206,
  HR_TRANSIENT_AVAIL: 0x207,
  LOCKOUT_COUNTER: 0x20e,
  MAX_AUTH_FAIL: 0x20f,
  LOCKOUT_INTERVAL: 0x210,
} as const;

/** TPMA_PERMANENT and TPMA_STARTUP_CLEAR (Part 2, 8.6 and 8.7). */
export const PERMANENT = { ownerAuthSet: 1, endorsementAuthSet: 2, inLockout: 0x200 } as const;
export const STARTUP_CLEAR = { platform: 1, owner: 2, endorsement: 4 } as const;

const HASHES = new Map([
  [0x04, "sha1"],
  [0x0b, "sha256"],
  [0x0c, "sha384"],
  [0x0d, "sha512"],
]);

/**
 * @param subject the TPM's name in the report
 * @param hasParent a provider is granted a persistent object on it
 */
export function findingsOf(
  subject: string,
  facts: TpmFacts,
  hierarchies: readonly Hierarchy[],
  hasParent: boolean,
  needs: ReadonlyMap<string, readonly Need[]>,
): Finding[] {
  return [
    { subject, ok: true, detail: identity(facts) },
    ...[...needs].flatMap(([provider, rows]) => needFindings(subject, provider, rows, featuresOf(facts))),
    slots(subject, facts),
    banks(subject, facts),
    ...hierarchies.flatMap((each) => hierarchy(subject, facts, each, hasParent)),
    lockout(subject, facts),
  ];
}

function identity({ properties }: TpmFacts): string {
  const of = (tag: number) => properties.get(tag) ?? 0;
  const maker = textIn([of(PT.MANUFACTURER)]);
  const vendor = textIn([0, 1, 2, 3].map((i) => of(PT.VENDOR_STRING_1 + i)));
  const firmware = [PT.FIRMWARE_VERSION_1, PT.FIRMWARE_VERSION_2].flatMap((tag) => [
    of(tag) >>> 16,
    of(tag) & 0xffff,
  ]);
  const revision = of(PT.REVISION);
  const version = `${Math.floor(revision / 100)}.${String(revision % 100).padStart(2, "0")}`;
  return `${[maker, vendor].filter(Boolean).join(" ")}, firmware ${firmware.join(".")}, TPM 2.0 revision ${version}`;
}

/** Decodes four characters per word; a TPM's strings are not trusted to be text. */
function textIn(words: readonly number[]): string {
  const bytes = words.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff));
  return bytes
    .filter((byte) => byte >= 0x20 && byte < 0x7f)
    .map((byte) => String.fromCharCode(byte))
    .join("")
    .trim()
    .replaceAll(/ +/g, " ");
}

function slots(tpm: string, { properties }: TpmFacts): Finding {
  const subject = `${tpm} slots`;
  const of = (tag: number) => properties.get(tag) ?? 0;
  const detail =
    `objects ${of(PT.HR_TRANSIENT_AVAIL)} free of at least ${of(PT.HR_TRANSIENT_MIN)}, ` +
    `sessions ${of(PT.HR_LOADED_AVAIL)} free of at least ${of(PT.HR_LOADED_MIN)}, ` +
    `saved sessions ${of(PT.HR_ACTIVE_AVAIL)} free of ${of(PT.ACTIVE_SESSIONS_MAX)}`;
  if (of(PT.HR_TRANSIENT_MIN) < QUOTA.objects || of(PT.HR_LOADED_MIN) < QUOTA.sessions) {
    const hint = `A provider needs ${QUOTA.objects} objects and ${QUOTA.sessions} sessions. This TPM cannot be used with kleidí.`;
    return { subject, ok: false, detail, hint };
  }
  if (of(PT.HR_ACTIVE_AVAIL) > 0) return { subject, ok: true, detail };
  const hint =
    "No session can be started, because a program left its saved sessions behind: tpm2_getcap handles-saved-session lists them, and tpm2_flushcontext --saved-session removes all.";
  return { subject, ok: false, detail, hint };
}

function banks(tpm: string, { banks }: TpmFacts): Finding {
  const subject = `${tpm} PCR banks`;
  const used = banks.filter(({ pcrs }) => pcrs > 0);
  const name = (hash: number) => HASHES.get(hash) ?? `0x${hash.toString(16)}`;
  const detail = used.map(({ hash, pcrs }) => `${name(hash)} (${pcrs})`).join(", ") || "none";
  if (used.some(({ hash }) => ["sha256", "sha384"].includes(name(hash))))
    return { subject, ok: true, detail };
  // Not a fault: a key without PCRs works.
  const hint = "A key with PCRs needs sha256 or sha384. tpm2_pcrallocate changes the banks at the next boot.";
  return { subject, ok: true, detail, hint };
}

function hierarchy(tpm: string, { properties }: TpmFacts, name: Hierarchy, hasParent: boolean): Finding[] {
  const subject = `${tpm} hierarchy ${name}`;
  const permanent = properties.get(PT.PERMANENT) ?? 0;
  const enabled = properties.get(PT.STARTUP_CLEAR) ?? 0;
  if ((enabled & STARTUP_CLEAR[name]) === 0) {
    const hint = "Turn it on in the firmware's settings, or remove it from grants.tpm.hierarchies.";
    return [{ subject, ok: false, detail: "it is disabled until the next boot", hint }];
  }
  if (name === "platform") return [{ subject, ok: true, detail: "it is enabled" }];
  if ((permanent & PERMANENT[`${name}AuthSet`]) === 0) {
    return [{ subject, ok: true, detail: "it is enabled and has no password" }];
  }
  if (name === "owner" && hasParent) {
    const detail = "it has a password (ownerAuthSet): keys need a granted persistent object as their parent";
    return [{ subject, ok: true, detail }];
  }
  const hint = `kleidí uses the empty password. Grant a persistent storage key (providers/tpm/README.md), or remove the password with: tpm2_changeauth -c ${name} -p PASSWORD`;
  return [
    { subject, ok: false, detail: `it has a password (${name}AuthSet), so no primary key can be made`, hint },
  ];
}

function lockout(tpm: string, { properties }: TpmFacts): Finding {
  const subject = `${tpm} lockout`;
  const of = (tag: number) => properties.get(tag) ?? 0;
  const failed = `${of(PT.LOCKOUT_COUNTER)} failed authorizations of ${of(PT.MAX_AUTH_FAIL)}`;
  if ((of(PT.PERMANENT) & PERMANENT.inLockout) === 0) {
    return { subject, ok: true, detail: `not locked, ${failed}` };
  }
  const interval = of(PT.LOCKOUT_INTERVAL);
  const detail = `the TPM is in lockout, ${failed}; it forgets one every ${interval} s. kleidí's own keys are exempt (noDA)`;
  const hint =
    "Find out which program sends wrong passwords, then: tpm2_dictionarylockout --clear-lockout (with --auth PASSWORD where the lockout hierarchy has one).";
  return { subject, ok: false, detail, hint };
}
