/**
 * How many lines, and for how long, a host writes without signing. The host that writes and the verifier count in the same way, by
 * what stands in the lines alone: so a host that was killed, suspended or started again, or whose clock was set, keeps the rhythm.
 */
import type { Head } from "./chain.ts";

export interface Rhythm {
  readonly lines: number;
  readonly intervalMs: number;
}

/** Of a host that signs and is told no other one; also how often a file goes down to the disk without a key. */
export const DEFAULT_RHYTHM: Rhythm = { lines: 1000, intervalMs: 60_000 };
/** The longest that the configuration allows: what a log claims beyond it is not believed. */
export const LONGEST_RHYTHM: Rhythm = { lines: 100_000, intervalMs: 3_600_000 };
/** The shortest: whatever the rhythm is, what keeps this one keeps it. */
export const SHORTEST_RHYTHM: Rhythm = { lines: 1, intervalMs: 1_000 };
/** What a host may write about itself before it signs: of a start, a torn line, its clock, a sink. */
export const OWN_LINES = 16;
const OWN_MS = 5_000;

/** The lines since the last checkpoint. */
export class UnsignedLines {
  #count = 0;
  /** Of the first one, in milliseconds since 1970, moved with the clock. */
  #since = 0;
  #last = 0;
  #isMissed = false;

  get count(): number {
    return this.#count;
  }

  /** Milliseconds between the first one and the last one that had to be signed by then. */
  get spanMs(): number {
    return this.#last - this.#since;
  }

  /** A line other than a checkpoint. */
  add(kind: string, ms: number, backMs = 0): void {
    if (this.#count === 0 || this.#isMissed) this.#since = ms;
    // what was written before a clock went back would seem to lie ahead
    else this.#since -= backMs;
    this.#isMissed = false;
    this.#count += 1;
    // the first line of a file stands there before it can be signed
    if (kind !== "rotate" || this.#count === 1) this.#last = ms;
  }

  /**
   * Lines are missing here, with whatever checkpoints were among them: they may have taken any time. Those in front of them go on counting:
   * who has no key can declare lines missing too, and a host signs as soon as it has.
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

  /** Whether a checkpoint comes before any other line of this time. */
  isDue({ lines, intervalMs }: Rhythm, ms: number): boolean {
    return this.#count > 0 && (this.#count >= lines || ms - this.#since >= intervalMs);
  }

  /** Whether no host of this rhythm writes so many lines, or for so long, without a checkpoint. */
  exceeds({ lines, intervalMs }: Rhythm): boolean {
    return this.#count > lines + OWN_LINES || this.spanMs > intervalMs + OWN_MS;
  }
}

/** The rhythm that a record of the kind start or rhythm claims; undefined where it claims none, or one that no host can have. */
export function claimOf(record: (Head & Readonly<Record<string, unknown>>) | undefined): Rhythm | undefined {
  if (record?.kind !== "start" && record?.kind !== "rhythm") return undefined;
  const { checkpoint_lines: lines, checkpoint_interval_ms: intervalMs } = record;
  if (typeof lines !== "number" || typeof intervalMs !== "number") return undefined;
  return {
    lines: Math.min(lines, LONGEST_RHYTHM.lines),
    intervalMs: Math.min(intervalMs, LONGEST_RHYTHM.intervalMs),
  };
}
