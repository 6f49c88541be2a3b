/** Figures of a benchmark. Pure. */

/** Of some values: the median and the 99th percentile, by nearest rank. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (part: number) => rounded(sorted[Math.ceil(sorted.length * part) - 1] ?? 0);
  return { p50: at(0.5), p99: at(0.99) };
}

/** @returns the number to a thousandth: of milliseconds, a microsecond */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
