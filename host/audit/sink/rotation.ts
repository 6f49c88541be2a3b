/**
 * The steps of a rotation. The next file is written under a temporary name, with its first line; the old file gets a second name, with its
 * sequences; then the next file is renamed to the path of the log. So at every moment the path leads to a file with lines, and a start
 * after a crash finds the end of the chain there.
 */
import { link, lstat, lstatSync, rmSync, type Stats, unlinkSync } from "node:fs";
import { promisify } from "node:util";
import { nextName, rotatedFiles } from "./names.ts";

const linkFile = promisify(link);
const statPath = promisify(lstat);

export function isSameFile(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

/** Gives the file its second name; it may have it already. @throws Error if another file has the name */
export async function linkOld(file: string, name: string): Promise<void> {
  try {
    await linkFile(file, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (!isSameFile(await statPath(file), await statPath(name)))
      throw new Error(`${name} already exists: move it away`);
  }
}

/** Reverts a rotation that a killed host did not finish: the file stays the current one. */
export function undoRotation(file: string): void {
  rmSync(nextName(file), { force: true });
  const status = lstatSync(file, { throwIfNoEntry: false });
  if (status === undefined || status.nlink === 1) return;
  for (const name of rotatedFiles(file)) if (isSameFile(status, lstatSync(name))) unlinkSync(name);
}
