/**
 * A lock between processes that the kernel releases when the holder exits, however it exits. Node has no flock, so this uses the lock
 * that SQLite takes on an empty file (fcntl, F_SETLK): it trusts no process id and works across containers. The file is readable by one
 * user, so only that user can take the lock. The file stays when the lock is released: a lock on a removed file excludes no process.
 */
import { lstatSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { addHeldLock, isHeldLock } from "./held-locks.ts";

/** The file name of the lock that guards a folder while files are created in it. */
export const FOLDER_LOCK = ".kleidi.lock";

/** The lock cannot be taken. `message` continues a sentence after the path of the lock file. */
export class LockFault extends Error {
  /** True if a process holds the lock, this one included; false if the file or the folder has a fault. */
  readonly isBusy: boolean;
  /** True if the file belongs to another user or the system refused to open it: this process may not create files there. */
  readonly isDenied: boolean;

  constructor(
    message: string,
    how: { readonly isBusy?: boolean; readonly isDenied?: boolean; cause?: unknown } = {},
  ) {
    super(message, how.cause === undefined ? undefined : { cause: how.cause });
    this.name = "LockFault";
    this.isBusy = how.isBusy ?? false;
    this.isDenied = how.isDenied ?? false;
  }
}

// https://sqlite.org/rescode.html
const Sqlite = { PERM: 3, BUSY: 5, READONLY: 8, CANTOPEN: 14, NOTADB: 26 } as const;
const NOT_EMPTY =
  "is not empty, so it is not a lock; find out who wrote it, then remove it while no kleidi runs";

/** Keeps the databases reachable: a garbage-collected one is closed, which releases its lock. */
const held = new Set<DatabaseSync>();

/**
 * Takes a lock.
 * @param path of the lock file; created if it does not exist. The folder must exist.
 * @param waitMs how long to wait for another process, in milliseconds; blocks the event loop. A lock that this process holds fails at once.
 * @param mayTakeOthers true: root may take the lock of another user, to create keys in the folder of the user that the host runs as
 * @returns a function that releases the lock; further calls have no effect
 * @throws LockFault
 * @example
 *     const release = takeLock(join(folder, FOLDER_LOCK), 5_000);
 *     try { createKey(folder); } finally { release(); }
 */
export function takeLock(path: string, waitMs = 0, mayTakeOthers = true): () => void {
  assertUsable(path, mayTakeOthers);
  // A user who can read the file could hold its lock.
  const umask = process.umask(0o177);
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path, { timeout: waitMs });
    // A journal in memory creates no other file. Not EXCLUSIVE: SQLite takes that in steps, and two processes could deadlock.
    file.exec("PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE");
  } catch (error) {
    file?.close();
    throw faultOf(error);
  } finally {
    process.umask(umask);
  }
  const lock = file;
  const forget = addHeldLock(lstatSync(path));
  held.add(lock);
  return () => {
    if (!held.delete(lock)) return;
    lock.close();
    forget();
  };
}

function faultOf(error: unknown): LockFault {
  const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (code === Sqlite.BUSY)
    return new LockFault("is held by another process", { isBusy: true, cause: error });
  if (code === Sqlite.NOTADB) return new LockFault(NOT_EMPTY, { cause: error });
  const isDenied = code === Sqlite.PERM || code === Sqlite.READONLY || code === Sqlite.CANTOPEN;
  const why = error instanceof Error ? error.message : "unknown";
  return new LockFault(`cannot be taken (${why})`, { isDenied, cause: error });
}

function assertUsable(path: string, mayTakeOthers: boolean): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isFile()) throw new LockFault("is not a regular file; remove it");
  if (isHeldLock(found)) throw new LockFault("is held by this process", { isBusy: true });
  const uid = process.geteuid?.() ?? 0;
  if (found.uid !== uid && !(uid === 0 && mayTakeOthers)) {
    throw new LockFault(
      `belongs to the uid ${found.uid}, this process has the uid ${uid}; remove it while no kleidi runs`,
      { isDenied: true },
    );
  }
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    throw new LockFault(`has the mode ${mode}, others could hold it; remove it while no kleidi runs`);
  }
  if (found.size > 0) throw new LockFault(NOT_EMPTY);
}
