/** What a decision on a command is made from, beside the command. */
import type { Rpc } from "../../host-call.ts";

export interface TpmGrant {
  /** Names of hierarchies under which primaries may be made. */
  readonly hierarchies: readonly string[];
  /** Persistent objects that may be used as parents. */
  readonly persistent: readonly number[];
  /** SHA-256, in hex, of public templates of primaries. */
  readonly templates: readonly string[];
  /** Whether sealed data may be had from the TPM. */
  readonly unseal: boolean;
}

/** What a provider has in the TPM, under its own numbers. */
export interface Owned {
  /** The TPM's handle of a provider's handle that is its own. */
  real(handle: number): number | undefined;
  readonly objects: number;
  readonly sessions: number;
  /** Whether a policy session has stated that the object's authorization value will be given (TPM2_PolicyAuthValue). */
  statesAuthValue(session: number): boolean;
}

export interface Ground {
  readonly rpc: Rpc;
  readonly grant: TpmGrant;
  readonly owned: Owned;
  readonly sha256: (bytes: Uint8Array) => string;
}

/** The first byte of a handle is its type (TPM 2.0 Part 2, 7.2). */
export const HT = { HMAC_SESSION: 0x02, POLICY_SESSION: 0x03, TRANSIENT: 0x80, PERSISTENT: 0x81 } as const;
export const typeOf = (handle: number) => handle >>> 24;
