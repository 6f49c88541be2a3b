/** Decides which providers have a standby process: it takes memory, and spares the callers 100 ms when the serving process ends. */

const MiB = 1_048_576;

/** With more providers than this, `auto` is off. */
export const MOST_PROVIDERS = 4;
/** With less free memory than this, in bytes, `auto` is off. */
export const LEAST_FREE = 512 * MiB;

export type Standby = boolean | "auto";

/**
 * @param standby as the provider's limits have it
 * @param providers the number of providers in the configuration
 * @param freeBytes the free memory when the host started
 * @example hasStandby("auto", 5, Infinity) // false
 */
export function hasStandby(standby: Standby, providers: number, freeBytes: number): boolean {
  return standby === "auto" ? providers <= MOST_PROVIDERS && freeBytes >= LEAST_FREE : standby;
}
