/**
 * Caches an expensive value for a short time, so that all callers within that time share one computation.
 * @param ms how long a value is reused, in milliseconds
 * @param make computes the value; an error is not cached
 * @param epoch a value of another epoch is not reused
 * @returns a function that returns the cached value, or computes a new one
 * @example
 *     const report = cachedFor(1_000, () => readReport());
 *     report() === report();
 */
export function cachedFor<T>(ms: number, make: () => T, epoch: () => number = () => 0): () => T {
  let cached: { readonly at: number; readonly epoch: number; readonly value: T } | undefined;
  return () => {
    const now = performance.now();
    const current = epoch();
    if (cached === undefined || now - cached.at >= ms || cached.epoch !== current)
      cached = { at: now, epoch: current, value: make() };
    return cached.value;
  };
}
