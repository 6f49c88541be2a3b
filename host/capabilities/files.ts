/**
 * Private files that are never replaced: only the host may read them. Shared by keystore and state.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { KleidiError } from "../error.ts";
import { FileFault } from "../lib/files.ts";
import { FOLDER_LOCK, LockFault, takeLock } from "../lib/lock.ts";
import { readSecretFile } from "../lib/secret-files.ts";
import { statOf } from "../lib/write-files.ts";

/** The causes of errors for files that this module finds: the same for every kind of file. */
export type FileCause = "exposed" | "unreadable" | "folder" | "lock";

/** Creates the error for an invalid file or folder. `what` ends its sentence. */
export type Invalid = (why: FileCause, what: string, cause?: unknown) => Error;

/**
 * Reads a file that the host created for itself: mode 0600, not a link, in folders where no other user can replace it.
 * @param maxBytes a longer file is refused
 * @returns the content, which the caller fills with zeros; undefined if the path does not exist
 * @throws the error of `invalid`
 */
export function readPrivate(path: string, maxBytes: number, invalid: Invalid): Buffer | undefined {
  const content = readSecretFile(path, maxBytes, "own");
  if (!(content instanceof FileFault)) return content;
  if (content.kind === "missing") return undefined;
  throw invalid(content.kind === "exposed" ? "exposed" : "unreadable", `it ${content.text}`, content.cause);
}

/** The fault of a required folder, or undefined. The host never creates it: an unmounted volume looks like a missing folder. */
export function folderFault(path: string): string | undefined {
  const status = statOf(path);
  if (status?.isDirectory()) return undefined;
  const actual = status === undefined ? "does not exist" : "is not a directory";
  return `the folder ${actual}. If no volume is missing, create it: install -d -m 0700 ${path}`;
}

/** Creating a key takes milliseconds, unless a KMS creates it. */
const LOCK_WAIT_MS = 5_000;

/**
 * Locks a folder, from the search for a file until its creation: two processes that create the same key would mix up their files.
 * @param action the beginning of the error message
 * @returns releases the lock
 * @throws KleidiError key-locked; the error of `invalid`
 */
export function lockFolder(folder: string, action: string, invalid: Invalid): () => void {
  const path = join(folder, FOLDER_LOCK);
  try {
    return takeLock(path, LOCK_WAIT_MS);
  } catch (error) {
    if (!(error instanceof LockFault)) throw error;
    const why = `${action}: its lock ${path} ${error.message}`;
    throw error.isBusy
      ? new KleidiError("key-locked", why, error)
      : invalid("lock", `its lock ${path} ${error.message}`, error);
  }
}

/**
 * Removes the leftovers of a killed process, unless another process holds the lock or this one may not write there: the next start tries
 * again.
 * @param isLeftover returns true if a name in the folder is a leftover; without leftovers, nothing is locked or changed
 * @param work removes them, under the lock
 * @returns the error that prevented it, if it is another one
 */
export function tidy(folder: string, isLeftover: (name: string) => boolean, work: () => void): unknown {
  let release: (() => void) | undefined;
  try {
    if (!readdirSync(folder).some(isLeftover)) return undefined;
    release = takeLock(join(folder, FOLDER_LOCK));
    work();
    return undefined;
  } catch (error) {
    if (error instanceof LockFault && (error.isBusy || error.isDenied)) return undefined;
    return NOT_OURS.has((error as NodeJS.ErrnoException).code ?? "") ? undefined : error;
  } finally {
    release?.();
  }
}

/** Errors of a read-only or missing folder: its user reports them. */
const NOT_OURS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR"]);
