/**
 * How a file of the log becomes a rotated one. The next file is written under a name that does not count, with its first line; the old
 * one gets a second name, by its sequences; then the next one takes its first name. So wherever a host is killed, the path of the log
 * leads to a file with lines in it, and what a start finds there is the end of the chain.
 */
import { link, lstat, lstatSync, rmSync, type Stats, unlinkSync } from "node:fs";
import { promisify } from "node:util";
import { nextName, rotatedFiles } from "./names.ts";

const linking = promisify(link);
const standing = promisify(lstat);

export function isSameFile(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

/** Gives the file its second name; it may have it already. @throws where another file has the name: it is not replaced */
export async function linkOld(file: string, name: string): Promise<void> {
  try {
    await linking(file, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (!isSameFile(await standing(file), await standing(name)))
      throw new Error(`${name} is there already: move it away`);
  }
}

/** Takes back a rotation that a killed host did not end: the file is still the one that is written to. */
export function undoRotation(file: string): void {
  rmSync(nextName(file), { force: true });
  const status = lstatSync(file, { throwIfNoEntry: false });
  if (status === undefined || status.nlink === 1) return;
  for (const name of rotatedFiles(file)) if (isSameFile(status, lstatSync(name))) unlinkSync(name);
}
