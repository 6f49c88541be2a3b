/** A folder that is made all or nothing: it gets its name when everything is in it. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ReleaseFault } from "./fault.ts";

/**
 * @param path of the folder
 * @param replaces true: a folder that is there is replaced, once the new one is complete
 * @param fill gets the folder under another name
 * @returns what `fill` returns; nothing is left where it throws
 * @throws ReleaseFault where the folder exists and is not to be replaced
 */
export async function makeFolder<T>(
  path: string,
  replaces: boolean,
  fill: (into: string) => T | Promise<T>,
): Promise<T> {
  const folder = resolve(path);
  if (!replaces && existsSync(folder))
    throw new ReleaseFault(`${path} exists already; name a folder that does not`);
  mkdirSync(dirname(folder), { recursive: true });
  const into = mkdtempSync(`${folder}.unfinished-`);
  try {
    const filled = await fill(into);
    chmodSync(into, 0o755);
    if (replaces) rmSync(folder, { recursive: true, force: true });
    renameSync(into, folder);
    return filled;
  } catch (error) {
    rmSync(into, { recursive: true, force: true });
    throw error;
  }
}
