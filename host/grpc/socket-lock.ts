/**
 * One host for each socket. Node has no flock, so the lock is the one that SQLite takes on an empty file (fcntl, F_SETLK): the kernel
 * releases it with the process, however that ends, and nobody can take it who may not open the file, which is of this user alone.
 * Nothing is written into the file, and it stays when the host ends: a lock on a file that was removed excludes nobody.
 */
import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { KleidiError } from "../error.ts";

// https://sqlite.org/rescode.html
const SQLITE_BUSY = 5;
// What is garbage is closed, and its lock released.
const HELD = new Set<DatabaseSync>();

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
  assertOurs(path, action);
  // Others could hold a lock on what they can read.
  const umask = process.umask(0o177);
  let file: DatabaseSync | undefined;
  try {
    // Given up at once: who waits here would start when the other host stops, unasked.
    file = new DatabaseSync(path, { timeout: 0 });
    // Not EXCLUSIVE: that is taken in steps, and two that take them at once can each keep the other from the last.
    file.exec("PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE");
  } catch (error) {
    file?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY)
      throw refused(`${action}: a process is serving there already`);
    throw refused(`${action}: its lock ${path} cannot be taken (${(error as Error).message})`, error);
  } finally {
    process.umask(umask);
  }
  const held = file;
  HELD.add(held);
  return () => {
    if (HELD.delete(held)) held.close();
  };
}

function assertOurs(path: string, action: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  const uid = process.getuid?.();
  if (!found.isFile()) throw refused(`${action}: its lock ${path} is not a regular file; remove it`);
  if (found.uid !== uid) {
    throw refused(`${action}: its lock ${path} belongs to uid ${found.uid}, this process is uid ${uid}`);
  }
  const mode = found.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const is = mode.toString(8).padStart(4, "0");
    throw refused(`${action}: its lock ${path} has mode ${is}, others could hold it; remove it`);
  }
}

function refused(message: string, cause?: unknown): KleidiError {
  return new KleidiError("socket-refused", message, cause);
}
