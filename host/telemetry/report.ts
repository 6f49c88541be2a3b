/** What a host says of itself: /state as JSON, and the admin page. Nothing secret is in it: keys are named by a hash, causes stay in the log. */
import type { Change, Denial, ProbeNote, Reached } from "./recorder.ts";

export interface HostReport {
  readonly version: string;
  /** The wall around providers' processes: bubblewrap, landlock or none. */
  readonly wall: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly at: number;
  /** Why it is not ready; absent: it is. */
  readonly unready?: string;
  readonly providers: Readonly<Record<string, ProviderReport>>;
  readonly keys: readonly KeyReport[];
  /** The latest first, as all lists of what happened. */
  readonly denials: readonly Denial[];
  readonly changes: readonly Change[];
}

export interface ProviderReport {
  readonly state: "starting" | "ready" | "quarantined" | "stopped";
  readonly quarantine?: { readonly reason: string; readonly until?: number };
  readonly processes: number;
  readonly ends: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly module?: ModuleReport;
  /** As `kleidi check` says it, with the reason that the module's manifest gives. */
  readonly reach: readonly { readonly ok: boolean; readonly detail: string; readonly why?: string }[];
  /** Since the start. */
  readonly reached: readonly Reached[];
}

export interface ModuleReport {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  /** Who signed it, or that nobody was asked to. */
  readonly trust: string;
}

export interface KeyReport {
  readonly name: string;
  readonly provider: string;
  readonly use: string;
  /** Absent until it was learnt. */
  readonly key_id_sha256?: string;
  /** As its provider names it. */
  readonly version?: string;
  /** Why it is not well. */
  readonly failure?: string;
  readonly code?: string;
  readonly probe?: ProbeNote;
}
