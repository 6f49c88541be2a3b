/** The policy `trust` as the sandbox takes it. The configuration has checked its form. */

export interface TrustPolicy {
  /** Different keys with different ids. */
  readonly keys: readonly TrustedKey[];
  /** How many different keys must have signed: from 1. */
  readonly threshold: number;
  readonly revoked: readonly Revoked[];
}

export interface TrustedKey {
  readonly name: string;
  /** The base64 line of a minisign public key. */
  readonly key: string;
  /** YYYY-MM-DD, UTC: after that day no signature of this key counts. */
  readonly expires?: string;
}

/** Refused whatever is signed: a module by its SHA-256 in lower-case hex, or a key by its id as minisign prints it. */
export type Revoked =
  | { readonly sha256: string; readonly why: string }
  | { readonly key: string; readonly why: string };
