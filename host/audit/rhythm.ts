/**
 * The rhythm of checkpoints: how many lines, and for how long, a host writes before it signs. The host and the verifier count in the same
 * way, from the lines alone, so a host that was killed, suspended or restarted, or whose clock was set, still keeps the rhythm.
 */
import type { Head } from "./chain.ts";

export interface Rhythm {
  readonly lines: number;
  readonly intervalMs: number;
}

/** The default of a host with a key; without a key, the file is synced to the disk at this rhythm. */
export const DEFAULT_RHYTHM: Rhythm = { lines: 1000, intervalMs: 60_000 };
/** The longest rhythm that the configuration allows; a longer claim of a log is limited to it. */
export const LONGEST_RHYTHM: Rhythm = { lines: 100_000, intervalMs: 3_600_000 };
/** The shortest rhythm: lines that keep it keep every other rhythm. */
export const SHORTEST_RHYTHM: Rhythm = { lines: 1, intervalMs: 1_000 };
/** The number of records about itself that a host may write before it signs: a start, a torn line, its clock, a sink. */
export const OWN_LINES = 16;
const OWN_MS = 5_000;

/** The lines since the last checkpoint. */
export class UnsignedLines {
  #count = 0;
  /** The time of the first line in milliseconds since 1970, adjusted when the clock is set back. */
  #since = 0;
  #last = 0;
  #isMissed = false;

  get count(): number {
    return this.#count;
  }

  /** Milliseconds between the first line and the last line that counts for the interval. */
  get spanMs(): number {
    return this.#last - this.#since;
  }

  /**
   * Counts a line other than a checkpoint.
   * @param ms its time, in milliseconds since 1970
   * @param backMs for a record of the kind clock: how far the clock went backwards
   */
  add(kind: string, ms: number, backMs = 0): void {
    if (this.#count === 0 || this.#isMissed) this.#since = ms;
    // lines from before the clock went back would appear to be in the future
    else this.#since -= backMs;
    this.#isMissed = false;
    this.#count += 1;
    // the first line of a file is written before it can be signed
    if (kind !== "rotate" || this.#count === 1) this.#last = ms;
  }

  /**
   * Records that lines are missing here, with any checkpoints among them; they may span any time. Earlier lines still count: an attacker
   * without the key can declare lines missing too, and a host signs as soon as it has declared them.
   */
  missed(): void {
    this.#isMissed = true;
  }

  signed(): void {
    this.#isMissed = false;
    this.#count = 0;
    this.#since = 0;
    this.#last = 0;
  }

  /** True if a checkpoint must precede the next line, at this time. */
  isDue({ lines, intervalMs }: Rhythm, ms: number): boolean {
    return this.#count > 0 && (this.#count >= lines || ms - this.#since >= intervalMs);
  }

  /** True if a host of this rhythm never writes this many lines, or for this long, without a checkpoint. */
  exceeds({ lines, intervalMs }: Rhythm): boolean {
    return this.#count > lines + OWN_LINES || this.spanMs > intervalMs + OWN_MS;
  }
}

/** A rhythm as records of the kinds start and rhythm claim it. */
export interface Claim {
  readonly checkpoint_lines: number;
  readonly checkpoint_interval_ms: number;
}

export function claimed({ lines, intervalMs }: Rhythm): Claim {
  return { checkpoint_lines: lines, checkpoint_interval_ms: intervalMs };
}

/** Returns the rhythm that a record of the kind start or rhythm claims, limited to the longest one; undefined if it claims none. */
export function claimOf(record: (Head & Readonly<Record<string, unknown>>) | undefined): Rhythm | undefined {
  if (record?.kind !== "start" && record?.kind !== "rhythm") return undefined;
  const { checkpoint_lines: lines, checkpoint_interval_ms: intervalMs } = record;
  if (typeof lines !== "number" || typeof intervalMs !== "number") return undefined;
  return {
    lines: Math.min(lines, LONGEST_RHYTHM.lines),
    intervalMs: Math.min(intervalMs, LONGEST_RHYTHM.intervalMs),
  };
}
