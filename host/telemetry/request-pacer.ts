/** Runs callbacks in order, with a minimum interval between two of them. A cancelled callback does not delay the others. */
export class RequestPacer {
  readonly #intervalMs: number;
  /** In order of arrival. */
  readonly #waiting = new Set<() => void>();
  #nextAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param intervalMs the minimum time between the starts of two callbacks, in milliseconds */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /**
   * Runs a callback as soon as the interval allows. The caller limits how many callbacks wait.
   * @returns a function that cancels the callback
   */
  schedule(run: () => void): () => void {
    this.#waiting.add(run);
    this.#arm();
    return () => void this.#waiting.delete(run);
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    const remaining = this.#nextAt - performance.now();
    if (remaining <= 0) {
      this.#runNext();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#runNext();
    }, remaining);
  }

  #runNext(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    this.#nextAt = performance.now() + this.#intervalMs;
    if (this.#waiting.size > 0) this.#arm();
    first();
  }
}
