/**
 * The input of the state machine: everything that is known about a rotation at one moment. Times are milliseconds since 1970. This folder
 * imports nothing, so that the operator and the command line decide in the same way.
 */

export interface Rotation {
  readonly name: string;
  /** The hash of the key_id that is replaced: `sha256:` and 64 hex digits. */
  readonly from: string;
  /** The hash of the key_id that replaces it. */
  readonly to: string;
  /** When the rotation finished; it is not evaluated after that. */
  readonly completedAt?: number | undefined;
}

export interface Policy {
  /** In the notation of an EncryptionConfiguration: secrets, widgets.example.com. */
  readonly resources: readonly string[];
  readonly minimumNodes: number;
  readonly migrationBy: "Nobody" | "Operator" | "StorageVersionMigration";
  /** Milliseconds after the last node's promotion in which an API server may still write with the old key. */
  readonly waitMs: number;
}

export interface HeldKey {
  readonly name: string;
  readonly provider: string;
  readonly use: "active" | "decrypt";
  readonly ready: boolean;
  /** The hashes of all key_ids that the key decrypts. */
  readonly hashes: readonly string[];
}

export interface ApiServerKey {
  readonly hash: string;
  /** When Status last returned this key_id. */
  readonly polledAt?: number | undefined;
  /** Objects read from storage under it since the API server's start. */
  readonly reads: number;
  /** Objects written to storage under it since the API server's start. */
  readonly writes: number;
}

export interface ObservedNode {
  readonly name: string;
  /** The time of the report by the node's clock; absent before the first one. */
  readonly observedAt?: number | undefined;
  readonly intervalMs: number;
  /** True if kleidi answered the agent. */
  readonly reachable: boolean;
  readonly keys: readonly HeldKey[];
  /** The key_id with which kleidi encrypts, when the agent first saw it, and the previous one if the agent saw the change. */
  readonly active?:
    | { readonly hash: string; readonly since: number; readonly previous?: string | undefined }
    | undefined;
  /** The metrics of the node's own API server; absent if it did not answer. */
  readonly apiServer?: { readonly startedAt: number; readonly keys: readonly ApiServerKey[] } | undefined;
}

export interface Pass {
  readonly startedAt: number;
  readonly endedAt?: number | undefined;
  readonly objects: number;
  /** Number of objects that were rewritten. */
  readonly changed: number;
  readonly refused: number;
  readonly refusals?:
    | readonly { readonly object: string; readonly code: number; readonly message: string }[]
    | undefined;
}

export interface Counters {
  readonly node: string;
  readonly startedAt: number;
  readonly reads: number;
  readonly writes: number;
}

/** The outcome of the migration so far. It is the only stored state, because a cluster does not show it. */
export interface Migration {
  readonly resources: readonly {
    readonly resource: string;
    /** The first pass: each object is sent once. */
    readonly rewrite?: Pass | undefined;
    /** The second pass: each object is sent once more, and none may be rewritten. */
    readonly proof?: Pass | undefined;
  }[];
  /** The counters of the old key before the proof. */
  readonly baseline?: readonly Counters[] | undefined;
  readonly provedAt?: number | undefined;
  /** When a failed migration is retried. */
  readonly retryAt?: number | undefined;
}

export interface Observation {
  readonly now: number;
  readonly rotation: Rotation;
  /** Absent: there is no EncryptionPolicy. */
  readonly policy?: Policy | undefined;
  readonly nodes: readonly ObservedNode[];
  readonly migration: Migration;
  /** An older rotation that is not finished. */
  readonly older?: string | undefined;
  /** Rights that the migration lacks, each as verb and resource. */
  readonly missing?: readonly string[] | undefined;
}

/** A node without a report for this many intervals is unknown. */
export const UNKNOWN_INTERVALS = 4;

/** @returns true if the node's report is too old to rely on, or from the future */
export function isUnknown({ observedAt, intervalMs }: ObservedNode, now: number): boolean {
  return observedAt === undefined || Math.abs(now - observedAt) > UNKNOWN_INTERVALS * intervalMs;
}

/** @returns the key of the node that decrypts this key_id */
export function heldKey({ keys }: Pick<ObservedNode, "keys">, hash: string): HeldKey | undefined {
  return keys.find(({ hashes }) => hashes.includes(hash));
}
