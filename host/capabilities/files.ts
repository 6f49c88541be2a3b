/**
 * Files that only the host may read, and that are never replaced. Shared by the capabilities that keep some: they are the only ones
 * of the capabilities that touch the file system.
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { KleidiError } from "../error.ts";
import { FileFault } from "../lib/files.ts";
import { FOLDER_LOCK, LockFault, takeLock } from "../lib/lock.ts";
import { readSecretFile } from "../lib/secret-files.ts";

/** The status of what stands at a path; a link is not followed. */
export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

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

/** Writes a whole file of mode 0600, down to the disk. What stands at the path is removed: it must be a name that does not count. */
export function writeDurably(path: string, content: string | Uint8Array): void {
  if (statOf(path) !== undefined) unlinkSync(path);
  const file = openSync(path, "wx", 0o600);
  const bytes = typeof content === "string" ? bytesOf(content) : content;
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    if (typeof content === "string") bytes.fill(0);
    closeSync(file);
  }
}

/** In memory of its own: Buffer.from(text) would leave a secret in Node's pool. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.byteLength(text));
  new TextEncoder().encodeInto(text, bytes);
  return bytes;
}

/** Gives a written file its own name. Fails with EEXIST where something stands under that name. */
export function publish(staged: string, path: string): void {
  syncFolder(dirname(path));
  // link, not rename: it fails where a file is, instead of replacing it.
  linkSync(staged, path);
  unlinkSync(staged);
  syncFolder(dirname(path));
}

/** The names in it are on the disk too. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
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

/** Removes files that a killed process left under names that do not count, and has that on the disk. */
export function removeLeftovers(folder: string, isLeftover: (name: string) => boolean): void {
  // A folder under such a name is nobody's leftover.
  const isFile = (name: string) => statOf(join(folder, name))?.isDirectory() === false;
  const leftovers = readdirSync(folder).filter((name) => isLeftover(name) && isFile(name));
  for (const each of leftovers) unlinkSync(join(folder, each));
  if (leftovers.length > 0) syncFolder(folder);
}
