/** The input of a decision on a command, besides the command itself. */
import type { Rpc } from "../../host-call.ts";

export interface TpmGrant {
  /** Names of hierarchies under which the provider may create primary keys. */
  readonly hierarchies: readonly string[];
  /** Handles of persistent objects that the provider may use as parents. */
  readonly persistent: readonly number[];
  /** SHA-256, in hex, of the public templates of primary keys. */
  readonly templates: readonly string[];
  /** True if the provider may unseal data. */
  readonly unseal: boolean;
}

/** The objects and sessions of a provider in the TPM, under the provider's own numbers. */
export interface OwnedHandles {
  /** The TPM's handle behind a provider's handle; undefined if the provider does not own it. */
  real(handle: number): number | undefined;
  readonly objects: number;
  readonly sessions: number;
  /** True if the policy session requires the object's authorization value (TPM2_PolicyAuthValue). */
  requiresAuthValue(session: number): boolean;
}

export interface CommandContext {
  readonly rpc: Rpc;
  readonly grant: TpmGrant;
  readonly owned: OwnedHandles;
  readonly sha256: (bytes: Uint8Array) => string;
}

/** Handle types. The first byte of a handle is its type (TPM 2.0 Part 2, 7.2). */
export const HT = { HMAC_SESSION: 0x02, POLICY_SESSION: 0x03, TRANSIENT: 0x80, PERSISTENT: 0x81 } as const;
export const typeOf = (handle: number) => handle >>> 24;
