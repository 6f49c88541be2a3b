/** The times in which an API server takes a new key, as Kubernetes has them (KEP-3299; k8s.io/apiserver, envelope/kmsv2). */

export const WAITS_MS = {
  /** An API server calls Status once in this time. */
  poll: 60_000,
  /** It may continue to write with its old key for this time after the last successful Status. */
  expiry: 180_000,
  /** For clocks that differ, and for calls in flight. */
  margin: 300_000,
} as const;

/**
 * The time after a promotion in which an API server may still write with the old key.
 * @param lagMs the time in which the host itself takes a new version, in milliseconds
 * @example waitAfterPromotion(30_000) // 570000
 */
export function waitAfterPromotion(lagMs: number): number {
  const { poll, expiry, margin } = WAITS_MS;
  return poll + expiry + lagMs + margin;
}
