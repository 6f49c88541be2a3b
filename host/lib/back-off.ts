/** Exponential backoff with jitter. Pure: the caller passes the random number. */

export interface BackOff {
  /** The pause after the first failure, in milliseconds. */
  readonly firstMs: number;
  /** The longest pause, in milliseconds. */
  readonly longestMs: number;
}

/**
 * Returns the pause before the next attempt; it doubles with each failure.
 * @param failures consecutive failures, 1 or more
 * @returns milliseconds
 * @example backOffMs({ firstMs: 100, longestMs: 1_000 }, 3) === 400
 */
export function backOffMs({ firstMs, longestMs }: BackOff, failures: number): number {
  return Math.min(firstMs * 2 ** (failures - 1), longestMs);
}

/**
 * Randomizes a pause, so that hosts that failed at the same time do not retry at the same time.
 * @param ms milliseconds
 * @param range the shortest and the longest pause, as fractions of `ms`
 * @param random 0 to 1
 * @returns milliseconds
 * @example jitterMs(1_000, [0.5, 1], 0.5) === 750
 */
export function jitterMs(ms: number, [shortest, longest]: readonly [number, number], random: number): number {
  return ms * (shortest + (longest - shortest) * random);
}
