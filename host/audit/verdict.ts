/** What verify is asked, and what it says. */
import type { KeyObject } from "node:crypto";
import type { ExportedCheckpoint } from "./export.ts";
import type { Fault, Place } from "./fault.ts";

export interface VerifyOptions {
  /** Of the keys that checkpoints may be signed with; empty: signatures are not looked at. */
  readonly keys: readonly KeyObject[];
  /** Kept elsewhere, by sequence, ascending. */
  readonly exported?: readonly ExportedCheckpoint[];
  /** Told how many more bytes were read. */
  readonly onRead?: (bytes: number) => void;
}

export interface Gap extends Place {
  readonly from: number;
  readonly to: number;
  readonly error: string;
}

export interface Verdict {
  readonly fault: Fault | undefined;
  /** Lines that the host itself says are missing. */
  readonly gaps: readonly Gap[];
  readonly notes: readonly string[];
  readonly chain: string | undefined;
  /** The first line's sequence. */
  readonly first: number | undefined;
  /** Everything is as it was written up to this sequence, which is the last one where there is no fault. */
  readonly intactTo: number | undefined;
  readonly checkpoints: number;
  /** The last one before any fault. */
  readonly checkpoint: { readonly seq: number; readonly time: string; readonly key: string } | undefined;
  readonly lines: number;
  readonly bytes: number;
}
