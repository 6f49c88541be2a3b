/**
 * How often something is told that callers can have happen as often as they like: at once, then not before a minute is over, with how
 * often it happened since.
 */
const EVERY_MS = 60_000;
// Kinds are few; should they come to be many, the oldest is told again.
const MAX_KINDS = 64;

export class Rarely {
  readonly #kinds = new Map<string, { toldAt: number; count: number }>();
  readonly #now: () => number;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** @returns how often it happened since it was last told, this time included; undefined: it is not told now */
  count(kind: string): number | undefined {
    const now = this.#now();
    const { toldAt, count } = this.#kinds.get(kind) ?? { toldAt: Number.NEGATIVE_INFINITY, count: 0 };
    const [oldest] = this.#kinds.keys();
    if (!this.#kinds.has(kind) && this.#kinds.size >= MAX_KINDS && oldest !== undefined)
      this.#kinds.delete(oldest);
    const tell = now - toldAt >= EVERY_MS;
    this.#kinds.set(kind, tell ? { toldAt: now, count: 0 } : { toldAt, count: count + 1 });
    return tell ? count + 1 : undefined;
  }
}
