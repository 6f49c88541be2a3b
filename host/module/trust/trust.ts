/**
 * Checks the signatures of a module against the trust policy, in addition to the pinned digest. Keys come from the policy alone,
 * never from a signature. Every rejected signature is reported with its reason.
 */
import { KleidiError } from "../../error.ts";
import { readSignatures, type SignatureFile } from "./files.ts";
import type { TrustPolicy } from "./policy.ts";
import { SignatureRejected, type Signer, verifySignature } from "./signer.ts";

/** The signatures of an admitted module. */
export interface TrustResult {
  /** Number of different keys that the policy requires. */
  readonly threshold: number;
  /** At least `threshold` signers, each with a different key. */
  readonly signers: readonly Signer[];
  /** The rejected signatures: path, reason and remedy, without a full stop. */
  readonly ignored: readonly string[];
}

/**
 * Reads the signatures of a module and checks them against the policy at the current time.
 * @param provider without `signatures`, the file beside the module is read: its path with `.minisig` appended
 * @param bytes the whole module
 * @param sha256 of `bytes`, lower-case hex
 * @throws KleidiError module-untrusted
 */
export function trustModule(
  policy: TrustPolicy,
  provider: { readonly name: string; readonly module: string; readonly signatures?: readonly string[] },
  bytes: Uint8Array,
  sha256: string,
): TrustResult {
  const files = readSignatures(provider.signatures ?? [`${provider.module}.minisig`]);
  return checkTrust(policy, provider.name, bytes, sha256, files, new Date());
}

/**
 * Checks signatures against the policy.
 * @param provider the name used in error messages
 * @param bytes the whole module
 * @param sha256 of `bytes`, lower-case hex
 * @param now expiry dates are compared with it, in UTC
 * @throws KleidiError module-untrusted
 */
export function checkTrust(
  policy: TrustPolicy,
  provider: string,
  bytes: Uint8Array,
  sha256: string,
  files: readonly SignatureFile[],
  now: Date,
): TrustResult {
  const action = `Cannot load provider "${provider}"`;
  const revoked = policy.revoked.find((entry) => "sha256" in entry && entry.sha256 === sha256);
  if (revoked !== undefined) {
    throw new KleidiError(
      "module-untrusted/revoked",
      `${action}: its module with the sha256 ${sha256} is revoked: ${revoked.why}; use another version of the module`,
    );
  }

  // by the bytes of the key: an id is only a label, and one key may have two ids
  const signers = new Map<string, Signer>();
  const ignored: string[] = [];
  for (const file of files) {
    try {
      const { key, signer } = verifySignature(policy, bytes, file, now);
      const seen = signers.get(key);
      if (seen !== undefined)
        throw new SignatureRejected(`is another signature by ${nameOf(seen)}, and each key counts once`);
      signers.set(key, signer);
    } catch (error) {
      if (!(error instanceof SignatureRejected)) throw error;
      ignored.push(`${file.path} ${error.message}`);
    }
  }
  if (!(signers.size >= Math.max(1, policy.threshold))) {
    const found = signers.size === 0 ? "" : ` (${[...signers.values()].map(nameOf).join(", ")})`;
    const needed = policy.threshold === 1 ? "1 key" : `${policy.threshold} different keys`;
    const reasons =
      ignored.length === 0
        ? [`have it signed with ${policy.threshold - signers.size} more of trust.keys`]
        : ignored;
    throw new KleidiError(
      "module-untrusted/signatures",
      `${action}: trust requires signatures of its module by ${needed}, ${signers.size} of ${policy.threshold} are valid${found}: ${reasons.join("; ")}`,
    );
  }
  return { threshold: policy.threshold, signers: [...signers.values()], ignored };
}

/**
 * Describes the signatures of a module, for `kleidi check` and /state.
 * @param trusted undefined if the configuration has no `trust`
 */
export function trustLine(trusted: TrustResult | undefined): string {
  if (trusted === undefined) return "signatures not checked: no trust in the configuration";
  const { signers, threshold, ignored } = trusted;
  const names = signers.map((signer) => {
    const until = signer.expires === undefined ? "" : ` until ${signer.expires}`;
    return `${nameOf(signer)}${until}`;
  });
  const others = ignored.length === 0 ? "" : `; not counted: ${ignored.join("; ")}`;
  return `signed by ${names.join(", ")}, ${threshold} required${others}`;
}

function nameOf({ name, keyId }: Signer): string {
  return `${name} (${keyId})`;
}
