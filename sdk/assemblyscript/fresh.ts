/** Whether a built file can be used as it is: it is newer than everything that it was made from. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** What every module depends on besides its own folder: the SDK and the compiler's version. */
const COMMON = [import.meta.dirname, join(import.meta.dirname, "../../package-lock.json")];

/** True where `out` is there and no file in or under `inputs`, the SDK or the lockfile is newer. */
export async function isFresh(out: string, inputs: readonly string[]): Promise<boolean> {
  const built = await stat(out).catch(() => undefined);
  if (built === undefined) return false;
  for (const input of [...COMMON, ...inputs]) {
    if ((await newest(input)) >= built.mtimeMs) return false;
  }
  return true;
}

/** The latest modification under a path, in milliseconds. Tests do not count: they are in no module. */
async function newest(path: string): Promise<number> {
  if (path.endsWith(".test.ts")) return 0;
  const entry = await stat(path);
  if (!entry.isDirectory()) return entry.mtimeMs;
  // A folder's own time changes where a file is taken away.
  const inside = await Promise.all((await readdir(path)).map((name) => newest(join(path, name))));
  return Math.max(entry.mtimeMs, ...inside);
}
