/** The settings of an audit log (from the configuration) and its options (from the host that opens it). */
import type { KleidiError } from "../error.ts";
import type { BackOff } from "../lib/back-off.ts";
import type { Failure } from "./feed.ts";
import type { Rhythm } from "./rhythm.ts";
import type { AsideFile } from "./sink/aside.ts";

/** The part `audit` of the configuration. */
export interface AuditSettings {
  /** Absolute path. */
  readonly file?: string;
  readonly stdout: boolean;
  readonly rotate?: { readonly sizeBytes: number; readonly keep?: number };
  readonly checkpoints?: { readonly key: string } & Rhythm;
}

export interface AuditOptions {
  /** The maximum size of the lines that wait in each sink, in bytes. */
  readonly queueBytes?: number;
  /** The pauses between attempts of a sink that fails. */
  readonly backOff?: BackOff;
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number;
  /** Called when a sink fails (with the failure) and when it recovers (with undefined). For the host's own log. */
  readonly onSink?: (sink: string, failure: Failure | undefined) => void;
  /** Called once if the log cannot write a record about itself; it accepts no lines from then on. For the host's own log. */
  readonly onFault?: (fault: KleidiError) => void;
  /** Called with the file that was not trusted and set aside; a new chain begins. For the host's own log. */
  readonly onAside?: (aside: AsideFile) => void;
}
