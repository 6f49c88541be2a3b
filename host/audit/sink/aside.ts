/** Sets untrusted files aside: renames them in the same folder, to names that no pattern for the log's own files matches. */
import { randomBytes } from "node:crypto";
import { readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { statOf, syncFolder } from "../../lib/write-files.ts";
import { rotatedFiles } from "./names.ts";
import { invalid } from "./place.ts";

/** A file that was set aside, as the first line of the new chain records it. */
export interface AsideFile {
  /** The new name of the file, in the same folder. */
  readonly aside: string;
  readonly why: string;
  /** The hash of its last line, if it has one. */
  readonly last?: string | undefined;
}

/**
 * Renames all files of a log, so that the new chain neither continues them nor reuses their names.
 * @param isEmpty true if the file itself has no lines: then only rotated files are renamed
 * @returns the new name of the file itself; of the newest rotated file if `isEmpty`
 * @throws KleidiError audit-invalid if the new name exists
 */
export function setAside(file: string, isEmpty: boolean): string {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const prefix = `untrusted-${now}-${randomBytes(4).toString("hex")}-`;
  let name = "";
  // the file itself last: after a crash in between, the next start finds it and continues
  for (const path of [...rotatedFiles(file), ...(isEmpty ? [] : [file])]) {
    name = `${prefix}${basename(path)}`;
    const to = join(dirname(file), name);
    if (statOf(to) !== undefined) throw invalid("audit-invalid/type", file, `${to} already exists`);
    renameSync(path, to);
  }
  syncFolder(dirname(file));
  return name;
}

/** Counts the files beside a log that were set aside. */
export function countAside(file: string): number {
  const name = basename(file);
  return readdirSync(dirname(file)).filter(
    (other) => /^untrusted-[^-]+-[^-]+-/.test(other) && other.includes(`-${name}`),
  ).length;
}
