/** One host for each socket: the lock is taken before the socket is bound, and ends with the process. */
import { basename, dirname, join } from "node:path";
import { KleidiError } from "../error.ts";
import { LockFault, takeLock } from "../lib/lock.ts";

export function lockOf(socket: string): string {
  return join(dirname(socket), `.${basename(socket)}.lock`);
}

/**
 * @param action what cannot be done without the lock, for the failure's sentence
 * @returns releases it
 * @throws KleidiError socket-refused
 */
export function lockSocket(socket: string, action: string): () => void {
  const path = lockOf(socket);
  try {
    // Given up at once: a host that waited here would start when the other one stops, unasked.
    return takeLock(path, 0, false);
  } catch (error) {
    if (!(error instanceof LockFault)) throw error;
    if (error.isBusy) throw refused(`${action}: a process is serving there already`);
    throw refused(`${action}: its lock ${path} ${error.message}`, error);
  }
}

function refused(message: string, cause?: unknown): KleidiError {
  return new KleidiError("socket-refused", message, cause);
}
