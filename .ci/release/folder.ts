/** Makes a folder atomically: it gets its name when it is complete. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ReleaseFault } from "./fault.ts";

/**
 * @param path of the folder
 * @param replaces true: an existing folder is replaced once the new one is complete
 * @param fill writes the content; it gets the path of the unfinished folder
 * @returns the result of `fill`; nothing is left if it throws
 * @throws ReleaseFault if the folder exists and `replaces` is false
 */
export async function makeFolder<T>(
  path: string,
  replaces: boolean,
  fill: (into: string) => T | Promise<T>,
): Promise<T> {
  const folder = resolve(path);
  if (!replaces && existsSync(folder))
    throw new ReleaseFault(`${path} already exists; name a folder that does not exist`);
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
