/** Writes a file that is there whole or not at all, whenever the machine stops: whoever files it must not file half of it. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { syncFolder } from "../capabilities/files.ts";

/** What stands at the path is replaced. @throws what the system says */
export function writeWhole(path: string, text: string): void {
  const folder = dirname(path);
  const staged = join(folder, `.${basename(path)}.${randomBytes(8).toString("hex")}`);
  try {
    const file = openSync(staged, "wx", 0o644);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
  syncFolder(folder);
}
