/**
 * The contract between the sandbox, which receives host calls from guests, and the capabilities, which perform them. Neither room
 * imports the other: the runtime passes the gate of the capabilities to the sandbox as a function of the type `Gate`.
 */

/** The version of the guest contract that this host supports (docs/ABI.md, section 9). */
export const ABI = 1;

/** The RPCs of a guest. Only "kleidi key init" runs "provision", in a separate process; a serving host never does. */
export const RPCS = ["status", "encrypt", "decrypt", "provision"] as const;
export type Rpc = (typeof RPCS)[number];

/** The facts about a capability that admission needs to check a module. */
export interface KnownCapability {
  readonly operations: readonly string[];
  /** True if every provider has this capability without a grant, because it carries no authority. */
  readonly alwaysGranted: boolean;
}

/** All capabilities of the host, by name: the part of the import namespace after "kleidi:". */
export type KnownCapabilities = ReadonlyMap<string, KnownCapability>;

/** One call from a guest to the host. */
export interface HostCall {
  /** The provider's name in the configuration. */
  readonly provider: string;
  /** The RPC that the guest is serving. The host sets it; the guest cannot choose it. */
  readonly rpc: Rpc;
  /** 1-based index of this host call within the call of the guest. */
  readonly ordinal: number;
  /** 1-based index of this host call among those of the same capability within the call of the guest. */
  readonly ordinalOfCapability: number;
  /** The name of the capability: the part of the import namespace after "kleidi:". */
  readonly capability: string;
  readonly operation: string;
  /** One message of proto/provider/v1, at most 64 KiB; a copy of the guest's bytes. */
  readonly request: Uint8Array;
  /**
   * Aborted when the call of the guest ends: it returned, its deadline passed, or its process exited. All host calls within one call
   * of the guest share it. The gate cancels an operation that is still running then; its answer is discarded.
   */
  readonly signal: AbortSignal;
}

/** The result codes of a host call (docs/ABI.md, section 5). */
export const HostCode = {
  OK: 0,
  DENIED: 1,
  INVALID: 2,
  NOT_FOUND: 3,
  NOT_AUTHENTIC: 4,
  UNAVAILABLE: 5,
  LIMIT: 6,
} as const;

/**
 * The step at which a host call to a KMS or a TPM failed. It selects the remedy of the RPC's error: "file" is a credential or a TLS file that
 * cannot be read, "login" a credential that the KMS refused, and "answer" a KMS that answers with something else than is expected.
 */
export type FailedStep = "file" | "name" | "connection" | "tls" | "time" | "answer" | "login" | "tpm" | "hsm";

/** The result of a host call. */
export interface HostAnswer {
  /** A value of HostCode. */
  readonly code: number;
  /** The reason of a refusal; empty with HostCode.OK. */
  readonly message: string;
  /** One message of proto/provider/v1; empty unless the code is HostCode.OK. */
  readonly body: Uint8Array;
  /** The step that failed, for the host itself: the guest does not get it. */
  readonly failedStep?: FailedStep;
}

/** Decides on a host call and performs it. Never rejects: a failure is an answer with another code than HostCode.OK. */
export type Gate = (call: HostCall) => Promise<HostAnswer>;

const NO_BYTES = new Uint8Array();

/** @param body one message of proto/provider/v1 */
export function answer(body: Uint8Array): HostAnswer {
  return { code: HostCode.OK, message: "", body };
}

/**
 * @param code a value of HostCode other than OK
 * @param failedStep of a host call to a KMS or a TPM
 */
export function refusal(code: number, message: string, failedStep?: FailedStep): HostAnswer {
  return { code, message, body: NO_BYTES, ...(failedStep && { failedStep }) };
}
