/** What the commands under "kleidi audit" share: the files that they are given. */
import type { KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { parsePublic } from "../audit/checkpoint.ts";
import { firstHead } from "../audit/lines.ts";
import { NoteFault, openNote, type TreeHead } from "../audit/note.ts";
import { Misused } from "./output.ts";

/**
 * The files of one log, and their bytes.
 * @throws Misused, a file cannot be read, or they are of two logs
 */
export function logFiles(files: readonly string[]): { files: string[]; bytes: number } {
  const unique = [...new Set(files)];
  const heads = unique.map((file) => readable(file, () => firstHead(file)));
  const chains = [...new Set(heads.flatMap((head) => head?.chain ?? []))];
  if (chains.length > 1)
    throw new Misused(`Cannot read the files as one log: they are of the chains ${chains.join(" and ")}`);
  return { files: unique, bytes: unique.reduce((sum, file) => sum + statSync(file).size, 0) };
}

/** @throws Misused for what the system refuses */
export function readable<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new Misused(`Cannot read ${file}: the system refuses it (${code})`, { cause: error });
  }
}

/** The public key of a base64 line, or of a file that has one. */
export function publicKeyOf(text: string): ReturnType<typeof parsePublic> & object {
  const key = parsePublic(text) ?? parsePublic(readable(text, () => readFileSync(text, "utf8")));
  if (key === undefined)
    throw new Misused(`Cannot use the key ${text}: it is not the line that "kleidi audit key" printed`);
  return key;
}

/** @throws Misused, none of the keys signed it in the name of its origin, or it is not a note */
export function noteOf(file: string, keys: readonly KeyObject[]): TreeHead {
  const bytes = readable(file, () => readFileSync(file));
  try {
    return openNote(bytes, keys);
  } catch (error) {
    if (!(error instanceof NoteFault)) throw error;
    throw new Misused(`Cannot use the note ${file}: ${error.message}`, { cause: error });
  }
}
