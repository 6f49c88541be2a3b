/**
 * Limits how often the log reports an event that callers can cause at will: at once, then at most once a minute, with the number of
 * occurrences since the last report.
 */
const INTERVAL_MS = 60_000;
// There are few kinds; if there are more than this, the oldest one is forgotten and reported again.
const MAX_KINDS = 64;

export class LogThrottle {
  readonly #kinds = new Map<string, { reportedAt: number; count: number }>();
  readonly #now: () => number;

  /** @param now a monotonic clock in milliseconds */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Counts one occurrence.
   * @param kind a word of a fixed list
   * @returns the occurrences since the last report, including this one; undefined if this one must not be reported now
   */
  count(kind: string): number | undefined {
    const now = this.#now();
    const { reportedAt, count } = this.#kinds.get(kind) ?? { reportedAt: Number.NEGATIVE_INFINITY, count: 0 };
    const [oldest] = this.#kinds.keys();
    if (!this.#kinds.has(kind) && this.#kinds.size >= MAX_KINDS && oldest !== undefined)
      this.#kinds.delete(oldest);
    const isDue = now - reportedAt >= INTERVAL_MS;
    this.#kinds.set(kind, isDue ? { reportedAt: now, count: 0 } : { reportedAt, count: count + 1 });
    return isDue ? count + 1 : undefined;
  }
}
