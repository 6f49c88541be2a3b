/** The changes of a key that probes find, and the results of the probes. */
import type { KleidiError } from "../error.ts";
import type { KeyConfig } from "./keyset.ts";

export interface KeyChange {
  readonly key: KeyConfig;
  readonly keyId?: string | undefined;
  readonly failure?: KleidiError | undefined;
  /** A new version that was reported for the first time and is not adopted yet. */
  readonly pendingVersion?: string | undefined;
  /** The members that a composed key encrypts without; with a key_id. */
  readonly without?: readonly string[] | undefined;
}

export interface KeyListener {
  /** Called when a key fails or recovers, when the message or the cause of its failure changes, and when its version changes. */
  readonly onChange: (change: KeyChange) => void;
  /** Called at the end of every probe; "unknown": the call queue was full. */
  readonly onProbe?: (key: KeyConfig, result: "good" | "failed" | "unknown") => void;
}
