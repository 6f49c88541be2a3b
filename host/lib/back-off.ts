/** Pauses between tries that double. Pure: chance is handed in. */

export interface BackOff {
  /** The pause after the first failure, in milliseconds. */
  readonly firstMs: number;
  /** No pause is longer, in milliseconds. */
  readonly longestMs: number;
}

/**
 * The pause after failures in a row.
 * @param failures 1 or more
 * @returns milliseconds
 * @example backOffMs({ firstMs: 100, longestMs: 1_000 }, 3) === 400
 */
export function backOffMs({ firstMs, longestMs }: BackOff, failures: number): number {
  return Math.min(firstMs * 2 ** (failures - 1), longestMs);
}

/**
 * A pause by chance, so that hosts that failed together do not try again together.
 * @param ms milliseconds
 * @param part the shortest and the longest pause, as parts of `ms`
 * @param random 0 to 1
 * @returns milliseconds
 * @example jitterMs(1_000, [0.5, 1], 0.5) === 750
 */
export function jitterMs(ms: number, [shortest, longest]: readonly [number, number], random: number): number {
  return ms * (shortest + (longest - shortest) * random);
}
