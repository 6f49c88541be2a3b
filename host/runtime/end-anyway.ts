/**
 * Kills this process if it has not exited after a time. If a disk hangs, a thread waits for it, and an orderly exit waits for the thread;
 * SIGKILL does not. (A thread in an uninterruptible system call delays even SIGKILL.)
 * @param afterMs milliseconds
 */
export function endAnyway(afterMs: number): void {
  setTimeout(() => process.kill(process.pid, "SIGKILL"), afterMs).unref();
}
