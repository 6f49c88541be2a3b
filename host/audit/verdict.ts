/** What verify is asked, and what it says. */
import type { KeyObject } from "node:crypto";
import type { ExportedCheckpoint } from "./export.ts";
import type { Fault, Place } from "./fault.ts";
import type { TreeHead } from "./note.ts";

export interface VerifyOptions {
  /** Of the keys that checkpoints may be signed with; empty: signatures are not looked at. */
  readonly keys: readonly KeyObject[];
  /** Kept elsewhere, by sequence, ascending. */
  readonly exported?: readonly ExportedCheckpoint[];
  /** Of notes that were kept elsewhere. */
  readonly notes?: readonly TreeHead[];
  /** Whether the tree up to the last checkpoint is asked for. */
  readonly tree?: boolean;
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
  /** Over all lines up to the last checkpoint, and that one; where it was asked for and no line before it is missing. */
  readonly tree?: { readonly size: number; readonly root: Buffer } | undefined;
  /** How many notes could not be held against the log: lines are missing in front of theirs, as it is where older files were removed. */
  readonly unheld: number;
}
