/** Writes rendered files under a folder, each at its path on the node. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathErrorText } from "../lib/path-fault.ts";
import { replaceFile } from "../lib/write-files.ts";
import type { RenderedFile } from "../render/rendered.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Each file is written atomically, with its mode and the owner of this process; the folders on the way are made.
 * @param folder is made if it is missing
 * @throws UsageError, the system refuses a folder or a file
 */
export function writeTree(folder: string, files: readonly RenderedFile[]): void {
  for (const { path, text, mode } of files) {
    const target = join(folder, path);
    try {
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      replaceFile(target, text, mode);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      throw new UsageError(
        `Cannot write ${target}: ${pathErrorText(target, error, "create")}, or give --out a folder that this user may write`,
      );
    }
  }
}
