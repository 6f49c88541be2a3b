/** The options and the result of verify. */
import type { KeyObject } from "node:crypto";
import type { ExportedCheckpoint } from "./export.ts";
import type { Fault, Place } from "./fault.ts";
import type { TreeHead } from "./note.ts";

export interface VerifyOptions {
  /** The keys that may have signed the checkpoints; empty: signatures are not checked. */
  readonly keys: readonly KeyObject[];
  /** Exported checkpoints that were kept elsewhere, sorted by sequence. */
  readonly exported?: readonly ExportedCheckpoint[];
  /** The heads of signed notes that were kept elsewhere. */
  readonly notes?: readonly TreeHead[];
  /** True to compute the tree up to the last checkpoint. */
  readonly tree?: boolean;
  /** Receives the number of bytes of each chunk that was read. */
  readonly onRead?: (bytes: number) => void;
}

export interface Gap extends Place {
  readonly from: number;
  readonly to: number;
  readonly error: string;
}

export interface Verdict {
  readonly fault: Fault | undefined;
  /** Missing lines that the host itself declares. */
  readonly gaps: readonly Gap[];
  readonly notes: readonly string[];
  readonly chain: string | undefined;
  /** The sequence of the first line. */
  readonly first: number | undefined;
  /** All lines up to this sequence are intact; without a fault it is the last sequence. */
  readonly intactTo: number | undefined;
  readonly checkpoints: number;
  /** The last checkpoint before any fault. */
  readonly checkpoint: { readonly seq: number; readonly time: string; readonly key: string } | undefined;
  readonly lines: number;
  readonly bytes: number;
  /** The tree over all lines up to and including the last checkpoint; if requested, and no line before it is missing. */
  readonly tree?: { readonly size: number; readonly root: Buffer } | undefined;
  /** The number of notes that could not be compared because earlier lines are missing, as when older files were removed. */
  readonly uncompared: number;
}
