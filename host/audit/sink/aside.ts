/** What is not trusted is kept: under another name in the same folder, which no pattern for the log's own files finds. */
import { randomBytes } from "node:crypto";
import { readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { statOf, syncFolder } from "../../lib/write-files.ts";
import { rotatedFiles } from "./names.ts";
import { invalid } from "./place.ts";

/** As the first line of the new chain has it. */
export interface AsideFile {
  /** The name of the file, in the same folder. */
  readonly aside: string;
  readonly why: string;
  /** The hash of its last line, where it has one. */
  readonly last?: string | undefined;
}

/**
 * Moves all files of a log away, so that what begins in their place is neither continued from them nor rotated onto their names.
 * @returns the new name of the file itself; where there is none, that of the newest one
 * @throws KleidiError audit-invalid, something has the name
 */
export function setAside(file: string, isEmpty: boolean): string {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const prefix = `untrusted-${now}-${randomBytes(4).toString("hex")}-`;
  let name = "";
  // the file itself comes last: where this is cut short, the next start finds it and goes on
  for (const path of [...rotatedFiles(file), ...(isEmpty ? [] : [file])]) {
    name = `${prefix}${basename(path)}`;
    const to = join(dirname(file), name);
    if (statOf(to) !== undefined) throw invalid(file, `${to} is there already`);
    renameSync(path, to);
  }
  syncFolder(dirname(file));
  return name;
}

/** How many files lie beside a log that were set aside. */
export function countAside(file: string): number {
  const name = basename(file);
  return readdirSync(dirname(file)).filter(
    (other) => /^untrusted-[^-]+-[^-]+-/.test(other) && other.includes(`-${name}`),
  ).length;
}
