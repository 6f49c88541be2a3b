/**
 * What a guest asks of the host, on its way from the sandbox to the capabilities. The two rooms do not know each other: main hands
 * their gate to the sandbox as a function of this type.
 */

/** "provision" is run by "kleidi key init" only, in a process of its own; a serving host never does. */
export const RPCS = ["status", "encrypt", "decrypt", "provision"] as const;
export type Rpc = (typeof RPCS)[number];

/** A capability of the host, as the rooms know it that read modules. */
export interface KnownCapability {
  readonly operations: readonly string[];
  /** There is no authority in it: every provider has it without a grant. */
  readonly alwaysGranted: boolean;
}

/** Every capability, by the part of the import's namespace after "kleidi:". What is not here does not exist. */
export type KnownCapabilities = ReadonlyMap<string, KnownCapability>;

export interface HostCall {
  /** The provider's name in the configuration. */
  readonly provider: string;
  /** The RPC that the guest is serving; known to the host, not said by the guest. */
  readonly rpc: Rpc;
  /** The how-manieth host call of this RPC call, from 1. */
  readonly ordinal: number;
  /** The how-manieth of this capability, from 1. */
  readonly ordinalOfCapability: number;
  /** The part of the import's namespace behind "kleidi:". */
  readonly capability: string;
  readonly operation: string;
  /** One message of proto/provider/v1, at most 64 KiB; bytes of the guest's, copied. */
  readonly request: Uint8Array;
  /**
   * Aborted when the guest's call is over, however it ended: answered, past its deadline, its process gone. The same for all host
   * calls of one guest's call. What is still being performed then is given up, and its answer goes nowhere.
   */
  readonly signal: AbortSignal;
}

/** docs/ABI.md, section 5. */
export const HostCode = {
  OK: 0,
  DENIED: 1,
  INVALID: 2,
  NOT_FOUND: 3,
  NOT_AUTHENTIC: 4,
  UNAVAILABLE: 5,
  LIMIT: 6,
} as const;

export interface HostAnswer {
  readonly code: number;
  readonly message: string;
  readonly body: Uint8Array;
}

/** Never rejects: what goes wrong is an answer. */
export type Gate = (call: HostCall) => Promise<HostAnswer>;

const NO_BYTES = new Uint8Array();

export function answer(body: Uint8Array): HostAnswer {
  return { code: HostCode.OK, message: "", body };
}

export function refusal(code: number, message: string): HostAnswer {
  return { code, message, body: NO_BYTES };
}
