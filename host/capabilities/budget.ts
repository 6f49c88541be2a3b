/**
 * Host calls of one provider in a minute: a bucket that fills evenly and holds a minute's worth, so that a burst is served and a
 * flood is not.
 */

const MINUTE_MS = 60_000;

export class Budget {
  readonly #perMinute: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** @param now milliseconds on a clock that never goes back */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
    this.#left = perMinute;
    this.#at = now();
  }

  /** Takes one; false where none is left. */
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
