/**
 * Files that only the host may read, and that are never replaced. Shared by the capabilities that keep some: they are the only ones
 * of the capabilities that touch the file system.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { KleidiError } from "../error.ts";
import { FileFault } from "../lib/files.ts";
import { FOLDER_LOCK, LockFault, takeLock } from "../lib/lock.ts";
import { readSecretFile } from "../lib/secret-files.ts";
import { statOf } from "../lib/write-files.ts";

/** Makes the error for a file that is not as it should be. */
export type Invalid = (what: string, cause?: unknown) => Error;

/**
 * Reads a whole file that the host made for itself: of mode 0600, not a link, in folders where nobody else can replace it.
 * @param maxBytes more is refused
 * @returns undefined where nothing stands at the path; else bytes for the caller to fill with zeros
 * @throws what `invalid` makes
 */
export function readPrivate(path: string, maxBytes: number, invalid: Invalid): Buffer | undefined {
  const content = readSecretFile(path, maxBytes, "own");
  if (!(content instanceof FileFault)) return content;
  if (content.kind === "missing") return undefined;
  throw invalid(`it ${content.text}`, content.cause);
}

/** What is wrong with a folder that must be there. It is never made by the host: an unmounted volume looks like a missing one. */
export function folderFault(path: string): string | undefined {
  const status = statOf(path);
  if (status?.isDirectory()) return undefined;
  const actual = status === undefined ? "does not exist" : "is no folder";
  return `the folder ${actual}. If no volume is missing, make it: install -d -m 0700 ${path}`;
}

/** Making a key takes milliseconds, unless a KMS makes it. */
const LOCK_WAIT_MS = 5_000;

/**
 * From before it is looked for what is there until it is made: two that make the same key at once would else mix up their files.
 * @param action the beginning of the failure's sentence
 * @returns ends it
 * @throws KleidiError key-locked; what `invalid` makes
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
      : invalid(`its lock ${path} ${error.message}`, error);
  }
}

/**
 * Tidies up behind what was killed while it made something, unless somebody makes something there now, or this process may not write
 * there: what is left is looked at again at the next start.
 * @param isLeftover of a name in the folder; where there is none, nothing is locked or changed
 * @returns what else kept it from doing so
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

/** The folder may be read only, or is not there: who needs it says so. */
const NOT_OURS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR"]);
