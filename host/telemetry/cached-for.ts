/**
 * Caches an expensive value for a short time, so that all callers within that time share one computation.
 * @param ms how long a value is reused, in milliseconds
 * @param make computes the value; an error is not cached
 * @returns a function that returns the cached value, or computes a new one
 * @example
 *     const report = cachedFor(1_000, () => readReport());
 *     report() === report();
 */
export function cachedFor<T>(ms: number, make: () => T): () => T {
  let cached: { readonly at: number; readonly value: T } | undefined;
  return () => {
    const now = performance.now();
    if (cached === undefined || now - cached.at >= ms) cached = { at: now, value: make() };
    return cached.value;
  };
}
