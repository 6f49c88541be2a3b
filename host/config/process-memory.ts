/** How much memory a provider's process needs for all that its instances are promised. */

/** Instances that are made ahead of need, beside those of the calls in flight. */
const SPARES = 4;
/** Node's own heap (80 MiB), compiled code, messages. 105 MB were measured under 64 calls at once. */
const NODE = 192 << 20;

/** The most that all instances of a process may be promised. */
export const MAX_INSTANCES = 4096 * 1_048_576;

export interface Promised {
  /** Of one instance. */
  readonly memoryBytes: number;
  readonly concurrentCalls: number;
}

/** @returns bytes that all instances of a process may grow to together */
export function instancesBytes({ memoryBytes, concurrentCalls }: Promised): number {
  return memoryBytes * (concurrentCalls + SPARES);
}

/** @returns bytes that the process needs so that no instance within its limit can end it */
export function leastProcessBytes(promised: Promised): number {
  return instancesBytes(promised) + NODE;
}
