/** Ensures that one host serves a socket: the host takes a lock before it binds the socket, and the kernel releases it with the process. */
import { basename, dirname, join } from "node:path";
import { KleidiError } from "../error.ts";
import { LockFault, takeLock } from "../lib/lock.ts";

/** @returns the path of the lock file of a socket */
export function lockOf(socket: string): string {
  return join(dirname(socket), `.${basename(socket)}.lock`);
}

/**
 * Takes the lock of a socket.
 * @param action the start of the message of a failure, for example "Cannot listen on /run/kms.sock"
 * @returns a function that releases the lock
 * @throws KleidiError socket-refused
 */
export function lockSocket(socket: string, action: string): () => void {
  const path = lockOf(socket);
  try {
    // No waiting: a host that waits here would start serving when the other one stops, unexpectedly.
    return takeLock(path, 0, false);
  } catch (error) {
    if (!(error instanceof LockFault)) throw error;
    if (error.isBusy)
      throw new KleidiError("socket-refused/served", `${action}: a process is serving there already`);
    throw new KleidiError("socket-refused/lock", `${action}: its lock ${path} ${error.message}`, error);
  }
}
