/**
 * The input of the state machine: everything that is known about a rotation at one moment. Times are milliseconds since 1970. This room
 * imports nothing, so that the operator and the command line decide alike.
 */

export interface Rotation {
  readonly name: string;
  /** The hash of the key_id that is replaced: `sha256:` and 64 hex digits. */
  readonly from: string;
  /** The hash of the key_id that replaces it. */
  readonly to: string;
  /** When it was finished; nothing is derived after that. */
  readonly completedAt?: number | undefined;
}

export interface Policy {
  /** As in an EncryptionConfiguration: secrets, widgets.example.com. */
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
  /** The hashes of all key_ids that it decrypts. */
  readonly hashes: readonly string[];
}

export interface ApiServerKey {
  readonly hash: string;
  /** When Status gave this key_id last. */
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
  /** kleidi answered the agent. */
  readonly reachable: boolean;
  readonly keys: readonly HeldKey[];
  /** The key_id with which kleidi encrypts, when it was seen first, and the one before it if the change was seen. */
  readonly active?:
    | { readonly hash: string; readonly since: number; readonly previous?: string | undefined }
    | undefined;
  /** The node's own API server by its metrics; absent where it did not answer. */
  readonly apiServer?: { readonly startedAt: number; readonly keys: readonly ApiServerKey[] } | undefined;
}

export interface Pass {
  readonly startedAt: number;
  readonly endedAt?: number | undefined;
  readonly objects: number;
  /** Objects that were written anew. */
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

/** The outcome of the migration so far: the only thing that is remembered, because it cannot be seen in a cluster. */
export interface Migration {
  readonly resources: readonly {
    readonly resource: string;
    /** Each object is sent once. */
    readonly rewrite?: Pass | undefined;
    /** Each object is sent once more: nothing may be written. */
    readonly proof?: Pass | undefined;
  }[];
  /** The counters of the old key before the proof. */
  readonly baseline?: readonly Counters[] | undefined;
  readonly provedAt?: number | undefined;
  /** When a failed migration is tried again. */
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

/** @returns true if the node's report is too old, or of the future, to decide anything by it */
export function isUnknown({ observedAt, intervalMs }: ObservedNode, now: number): boolean {
  return observedAt === undefined || Math.abs(now - observedAt) > UNKNOWN_INTERVALS * intervalMs;
}

/** @returns the key of the node that decrypts this key_id */
export function heldKey({ keys }: Pick<ObservedNode, "keys">, hash: string): HeldKey | undefined {
  return keys.find(({ hashes }) => hashes.includes(hash));
}
