/** The trust policy for modules: the `trust` section of the configuration, already validated. */

export interface TrustPolicy {
  /** Keys that differ in value and in id. */
  readonly keys: readonly TrustedKey[];
  /** Number of different keys that must have signed, at least 1. */
  readonly threshold: number;
  readonly revoked: readonly Revoked[];
}

export interface TrustedKey {
  readonly name: string;
  /** The base64 line of a minisign public key. */
  readonly key: string;
  /** YYYY-MM-DD in UTC: the last day on which signatures of this key are valid. */
  readonly expires?: string;
}

/** A revoked module, by its SHA-256 in lower-case hex, or a revoked key, by its id as minisign prints it. */
export type Revoked =
  | { readonly sha256: string; readonly why: string }
  | { readonly key: string; readonly why: string };
