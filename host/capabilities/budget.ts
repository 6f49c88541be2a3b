/**
 * Limits the host calls of one provider per minute: a token bucket that fills evenly and holds a minute's worth, so that it serves a
 * burst and stops a flood.
 */

const MINUTE_MS = 60_000;

export class Budget {
  readonly #perMinute: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** @param now a monotonic clock, in milliseconds */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
    this.#left = perMinute;
    this.#at = now();
  }

  /** Takes one call from the budget. @returns true if one was left */
  take(): boolean {
    const now = this.#now();
    const refilled = this.#left + ((now - this.#at) / MINUTE_MS) * this.#perMinute;
    this.#left = Math.min(this.#perMinute, refilled);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
