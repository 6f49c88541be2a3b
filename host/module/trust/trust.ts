/**
 * Whether a module is signed as the policy `trust` asks. This comes on top of the digest that the configuration pins. No key is
 * learnt from a signature, and what does not count is named.
 */
import { KleidiError } from "../../error.ts";
import { readSignatures, type SignatureFile } from "./files.ts";
import type { TrustPolicy } from "./policy.ts";
import { DoesNotCount, type Signer, signerOf } from "./signer.ts";

/** Why a module was let in. */
export interface TrustedBy {
  readonly threshold: number;
  /** At least `threshold`, each another key. */
  readonly signers: readonly Signer[];
  /** What did not count, as sentences without an end: path and reason. */
  readonly ignored: readonly string[];
}

/** Reads the signatures of a module and checks them against the policy now. @throws KleidiError module-untrusted */
export function trustModule(
  policy: TrustPolicy,
  provider: { readonly name: string; readonly module: string; readonly signatures?: readonly string[] },
  bytes: Uint8Array,
  sha256: string,
): TrustedBy {
  const files = readSignatures(provider.signatures ?? [`${provider.module}.minisig`]);
  return checkTrust(policy, provider.name, bytes, sha256, files, new Date());
}

/**
 * @param bytes the whole module, the same bytes that `sha256` (lower-case hex) is of
 * @param now days are told from it, in UTC
 * @throws KleidiError module-untrusted
 */
export function checkTrust(
  policy: TrustPolicy,
  provider: string,
  bytes: Uint8Array,
  sha256: string,
  files: readonly SignatureFile[],
  now: Date,
): TrustedBy {
  const refused = (why: string) =>
    new KleidiError("module-untrusted", `Cannot load provider "${provider}": ${why}`);
  const revoked = policy.revoked.find((entry) => "sha256" in entry && entry.sha256 === sha256);
  if (revoked !== undefined) {
    throw refused(`its module, sha256 ${sha256}, is revoked: ${revoked.why}; use another version of it`);
  }

  // by the key's bytes: an id is only a label, and two of them may be on one key
  const signers = new Map<string, Signer>();
  const ignored: string[] = [];
  for (const file of files) {
    try {
      const { key, signer } = signerOf(policy, bytes, file, now);
      const seen = signers.get(key);
      if (seen !== undefined) throw new DoesNotCount(`is by ${nameOf(seen)} too, and a key counts once`);
      signers.set(key, signer);
    } catch (error) {
      if (!(error instanceof DoesNotCount)) throw error;
      ignored.push(`${file.path} ${error.message}`);
    }
  }
  if (!(signers.size >= Math.max(1, policy.threshold))) {
    const counted = signers.size === 0 ? "" : ` (${[...signers.values()].map(nameOf).join(", ")})`;
    const needed = policy.threshold === 1 ? "1 key" : `${policy.threshold} different keys`;
    const only =
      ignored.length === 0 ? [`sign it with ${policy.threshold - signers.size} more of trust.keys`] : ignored;
    throw refused(
      `trust asks for signatures of its module by ${needed}, ${signers.size} of ${policy.threshold} count${counted}: ${only.join("; ")}`,
    );
  }
  return { threshold: policy.threshold, signers: [...signers.values()], ignored };
}

/** What `kleidi check` says behind a provider's digest; `undefined` stands for a configuration without `trust`. */
export function trustLine(trusted: TrustedBy | undefined): string {
  if (trusted === undefined) return "not signed: no trust in the configuration";
  const { signers, threshold, ignored } = trusted;
  const names = signers.map((signer) => {
    const until = signer.expires === undefined ? "" : ` until ${signer.expires}`;
    return `${nameOf(signer)}${until}`;
  });
  const others = ignored.length === 0 ? "" : `; does not count: ${ignored.join("; ")}`;
  return `signed by ${names.join(", ")}, ${threshold} needed${others}`;
}

function nameOf({ name, keyId }: Signer): string {
  return `${name} (${keyId})`;
}
