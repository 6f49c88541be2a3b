/**
 * Ends this process if it has not ended by itself after a time. What waits for a disk that hangs is a thread, and an orderly exit waits
 * for the thread; a signal that cannot be caught does not. (A thread that the kernel itself cannot interrupt keeps even that waiting.)
 */
export function endAnyway(afterMs: number): void {
  setTimeout(() => process.kill(process.pid, "SIGKILL"), afterMs).unref();
}
