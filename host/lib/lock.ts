/**
 * A lock between processes that ends with the process that holds it, however that ends. Node has no flock, so it is the lock that
 * SQLite takes on an empty file (fcntl, F_SETLK): the kernel releases it, no process id has to be believed, and processes in other
 * containers are seen too. Only who may open the file can take it, and that is one user. The file stays when the lock is released: a lock
 * on a file that was removed excludes nobody.
 */
import { lstatSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { addHeldLock, isHeldLock } from "./held-locks.ts";

/** Of a lock that guards what is made in a folder. */
export const FOLDER_LOCK = ".kleidi.lock";

/** The lock cannot be taken. `message` follows the name of its file. */
export class LockFault extends Error {
  /** Another process has it, or this one; else something is wrong with the file or the folder. */
  readonly isBusy: boolean;
  /** The file is another user's, or the system refused to open it: this process may not make anything there. */
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
const NOT_EMPTY = "is not empty, so it is not a lock; look who wrote it, then remove it while no kleidi runs";

/** What is garbage is closed, and its lock released. */
const held = new Set<DatabaseSync>();

/**
 * @param path of the lock's file, which is made where there is none; the folder must be there
 * @param waitMs for another process that holds it; the whole process waits. Where this one holds it, that would be in vain
 * @param mayTakeOthers whether root may take the lock of another user: it makes keys in a folder of the user that the host runs as
 * @returns releases it; twice does no harm
 * @throws LockFault
 */
export function takeLock(path: string, waitMs = 0, mayTakeOthers = true): () => void {
  assertOurs(path, mayTakeOthers);
  // Others could hold a lock on what they can read.
  const umask = process.umask(0o177);
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path, { timeout: waitMs });
    // A journal in memory: no other file is made. Not EXCLUSIVE: that is taken in steps, and two could keep each other from the last.
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

function assertOurs(path: string, mayTakeOthers: boolean): void {
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
