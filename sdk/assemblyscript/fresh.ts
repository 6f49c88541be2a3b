/** Checks if a built file is up to date: newer than every source of it. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Common sources of every module besides its own folder: the SDK and the compiler's version. */
const COMMON = [import.meta.dirname, join(import.meta.dirname, "../../package-lock.json")];

/** Returns true if `out` exists and no file in or under `inputs`, the SDK or the lockfile is newer. */
export async function isFresh(out: string, inputs: readonly string[]): Promise<boolean> {
  const built = await stat(out).catch(() => undefined);
  if (built === undefined) return false;
  for (const input of [...COMMON, ...inputs]) {
    if ((await newest(input)) >= built.mtimeMs) return false;
  }
  return true;
}

/** Returns the latest modification time under a path, in milliseconds. It ignores tests: no module contains them. */
async function newest(path: string): Promise<number> {
  if (path.endsWith(".test.ts")) return 0;
  const entry = await stat(path);
  if (!entry.isDirectory()) return entry.mtimeMs;
  // A folder's own time changes if a file is removed.
  const inside = await Promise.all((await readdir(path)).map((name) => newest(join(path, name))));
  return Math.max(entry.mtimeMs, ...inside);
}
