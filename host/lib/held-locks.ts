/**
 * The lock files that this process holds. POSIX releases all locks of a process on a file when the process closes any descriptor of
 * that file (fcntl(2)). So no other code in the host may open a lock file, not even to read it.
 */
import type { Stats } from "node:fs";

const held = new Set<string>();

const nameOf = ({ dev, ino }: Stats) => `${dev}:${ino}`;

/**
 * Records a lock file as held.
 * @returns a function that removes the record; call it once the lock is released
 */
export function addHeldLock(status: Stats): () => void {
  const name = nameOf(status);
  held.add(name);
  return () => held.delete(name);
}

/** True if opening and closing this file would release a lock of this process. */
export function isHeldLock(status: Stats): boolean {
  return held.size > 0 && held.has(nameOf(status));
}
