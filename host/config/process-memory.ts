/** The memory that the process of a provider needs when all of its instances are as large as they may be. */

/** Instances that are prepared in advance, besides those of the calls in flight. */
const SPARES = 4;
/** Bytes for Node's heap (80 MiB), compiled code and messages. Measured: 105 MB under 64 concurrent calls. */
const NODE = 192 << 20;

/** The largest total size of all instances of a process, in bytes. */
export const MAX_INSTANCES = 4096 * 1_048_576;

/** The limits on which the memory of a process depends. */
export interface MemoryLimits {
  /** The largest size of one instance. */
  readonly memoryBytes: number;
  readonly concurrentCalls: number;
}

/** @returns the bytes to which all instances of a process may grow together */
export function instancesBytes({ memoryBytes, concurrentCalls }: MemoryLimits): number {
  return memoryBytes * (concurrentCalls + SPARES);
}

/** @returns the bytes that the process needs so that instances within their limits cannot exhaust its memory */
export function leastProcessBytes(limits: MemoryLimits): number {
  return instancesBytes(limits) + NODE;
}
