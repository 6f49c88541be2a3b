/** The file names of a log: NAME is the current file; NAME.<first>-<last> are the rotated files, with their sequences. */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const DIGITS = 12;
const pad = (seq: number) => String(seq).padStart(DIGITS, "0");

export function rotatedName(file: string, first: number, last: number): string {
  return `${file}.${pad(first)}-${pad(last)}`;
}

/** The temporary name of the next file during a rotation; no pattern for the log's own files matches it. */
export function nextName(file: string): string {
  return join(dirname(file), `.${basename(file)}.next`);
}

/** Lists the rotated files of a log, the oldest first. */
export function rotatedFiles(file: string): string[] {
  const prefix = `${basename(file)}.`;
  const sequences = (name: string) => /^([0-9]{12,16})-([0-9]{12,16})$/.exec(name.slice(prefix.length));
  return readdirSync(dirname(file))
    .filter((name) => name.startsWith(prefix) && sequences(name) !== null)
    .sort((a, b) => Number(sequences(a)?.[2]) - Number(sequences(b)?.[2]))
    .map((name) => join(dirname(file), name));
}
