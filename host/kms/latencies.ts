/** The recent duration of calls with each key, for the order in which members of a composed key are asked. */

/** The part of a new duration in the mean. */
const WEIGHT = 0.2;
/** A member that has not answered within three times its usual duration gets company, within these bounds. */
const PATIENCE = { times: 3, leastMs: 50, mostMs: 500 } as const;

export class Latencies {
  readonly #means = new Map<string, number>();

  /** @returns milliseconds; 0 for a key that has not answered yet, so that it is tried */
  of(key: string): number {
    return this.#means.get(key) ?? 0;
  }

  /** @returns how long to wait for an answer of the key before another one is asked too, in milliseconds */
  patienceMs(key: string): number {
    return Math.min(PATIENCE.mostMs, Math.max(PATIENCE.leastMs, this.of(key) * PATIENCE.times));
  }

  /** Runs work and notes its duration, if it succeeds. */
  async measured<T>(key: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    const ms = performance.now() - start;
    const mean = this.#means.get(key);
    this.#means.set(key, mean === undefined ? ms : mean + (ms - mean) * WEIGHT);
    return result;
  }
}
