/** The report of a host: JSON at /state, and HTML on the admin page. It has no secrets: keys are named by a hash, causes stay in the log. */
import type { Change, Denial, ProbeNote, Reached } from "./recorder.ts";

export interface HostReport {
  readonly version: string;
  /** The wall around providers' processes: bubblewrap, landlock or none. */
  readonly wall: string;
  /** SHA-256 of the configuration file, 64 hex digits. */
  readonly configurationSha256: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** When the report was created, in milliseconds since 1970. */
  readonly at: number;
  /** The reason why the host is not ready; absent if it is ready. */
  readonly notReadyReason?: string;
  /** Absent: the configuration was not reloaded since the start. */
  readonly lastReload?: ReloadReport;
  /** The sinks of the audit log; absent without one. */
  readonly audit?: readonly SinkReport[];
  readonly providers: Readonly<Record<string, ProviderReport>>;
  readonly keys: readonly KeyReport[];
  /** The latest first. */
  readonly denials: readonly Denial[];
  /** The latest first. */
  readonly changes: readonly Change[];
}

export interface ReloadReport {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** refused: the host serves on with the configuration that it had. */
  readonly outcome: "applied" | "refused";
  /** Of a refusal. */
  readonly reason?: string;
}

export interface SinkReport {
  readonly name: string;
  /** The reason why it takes no records; absent if it takes them. */
  readonly failure?: string;
}

export interface ProviderReport {
  readonly state: "starting" | "ready" | "quarantined" | "stopped";
  readonly quarantine?: { readonly reason: string; readonly until?: number };
  /** The reason why its module is not run; absent if it is. */
  readonly refusal?: string;
  /** Loaded processes, and their number in normal operation. */
  readonly processes: number;
  readonly wanted: number;
  readonly ends: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly module?: ModuleReport;
  /** The reach as `kleidi check` shows it, with the reason that the module's manifest states. */
  readonly reach: readonly { readonly ok: boolean; readonly detail: string; readonly why?: string }[];
  /** Host calls since the start. */
  readonly reached: readonly Reached[];
}

export interface ModuleReport {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  /** Names the signers, or says that no signature is required. */
  readonly trust: string;
}

export interface KeyReport {
  readonly name: string;
  readonly provider: string;
  readonly use: string;
  /** The names of a composed key's members, and of those that it encrypts without. */
  readonly members?: readonly string[];
  readonly leftOut?: readonly string[];
  /** The hashes of the key_ids that it decrypts, as the metrics of the API server have them; the current one first, at most 64. */
  readonly key_id_hashes: readonly string[];
  /** Absent before the first successful probe. */
  readonly key_id_sha256?: string;
  /** The provider's name of the version. */
  readonly version?: string;
  /** The reason why the key is not usable; absent if it is usable. */
  readonly failure?: string;
  readonly code?: string;
  /** The next step for the operator. */
  readonly hint?: string;
  readonly probe?: ProbeNote;
}
