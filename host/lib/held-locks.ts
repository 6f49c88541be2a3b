/**
 * The files that this process holds locks on. POSIX drops all locks that a process has on a file when the process closes any
 * descriptor of it (fcntl(2)): so nothing else in the host may open one, not even to read it.
 */
import type { Stats } from "node:fs";

const held = new Set<string>();

const nameOf = ({ dev, ino }: Stats) => `${dev}:${ino}`;

/** @returns forgets it; called once the lock is released */
export function addHeldLock(status: Stats): () => void {
  const name = nameOf(status);
  held.add(name);
  return () => held.delete(name);
}

/** Whether opening and closing this file would release a lock of this process. */
export function isHeldLock(status: Stats): boolean {
  return held.size > 0 && held.has(nameOf(status));
}
