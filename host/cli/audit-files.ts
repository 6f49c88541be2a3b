/** Reads the files that the commands under "kleidi audit" are given. */
import type { KeyObject } from "node:crypto";
import { statSync } from "node:fs";
import { parsePublic } from "../audit/checkpoint.ts";
import { firstHead } from "../audit/lines.ts";
import { NoteFault, openNote, type TreeHead } from "../audit/note.ts";
import { FileFault, readRegular, withRegular } from "../lib/files.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { UsageError } from "./usage-error.ts";

/** Bytes. A public key is a line of 44 characters. */
const MAX_KEY = 4096;
/** Bytes. A note has five lines and one for each signature. */
const MAX_NOTE = 65_536;

/**
 * Checks that the files belong to one log.
 * @returns the files without duplicates, and their total size in bytes
 * @throws UsageError, a file cannot be read, or the files belong to several logs
 */
export function logFiles(files: readonly string[]): { files: string[]; bytes: number } {
  const unique = [...new Set(files)];
  for (const file of unique) assertRegular(file);
  const heads = unique.map((file) => readable(file, () => firstHead(file)));
  const chains = [...new Set(heads.flatMap((head) => head?.chain ?? []))];
  if (chains.length > 1)
    throw new UsageError(
      `Cannot read the files as one log: they belong to different chains: ${chains.join(", ")}`,
    );
  return { files: unique, bytes: unique.reduce((sum, file) => sum + statSync(file).size, 0) };
}

/** Refuses anything but a regular file: a log is read more than once, so it cannot be a stream. @throws UsageError */
export function assertRegular(file: string): void {
  const fault = withRegular(file, {}, () => undefined);
  if (fault !== undefined) throw new UsageError(`Cannot read ${file}: it ${fault.text}`);
}

/**
 * Runs `work`, which reads a file.
 * @throws UsageError for an error of the operating system
 */
export function readable<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`Cannot read ${file}: ${pathErrorText(file, error, "read")}`, { cause: error });
  }
}

/**
 * Reads a public key.
 * @param text a line in base64, or the path of a file that contains one
 * @throws UsageError
 */
export function publicKeyOf(text: string): ReturnType<typeof parsePublic> & object {
  const key = parsePublic(text) ?? parsePublic(keyFile(text));
  if (key === undefined)
    throw new UsageError(
      `Cannot use the key ${text}: it is not a public key as printed by "kleidi audit key"`,
    );
  return key;
}

/**
 * Reads a note and verifies its signature.
 * @throws UsageError, the file is not a note, or none of the keys signed it in the name of its origin
 */
export function noteOf(file: string, keys: readonly KeyObject[]): TreeHead {
  const bytes = readRegular(file, MAX_NOTE);
  if (bytes instanceof FileFault) throw new UsageError(`Cannot read the note ${file}: it ${bytes.text}`);
  try {
    return openNote(bytes, keys);
  } catch (error) {
    if (!(error instanceof NoteFault)) throw error;
    throw new UsageError(`Cannot use the note ${file}: ${error.message}`, { cause: error });
  }
}

function keyFile(path: string): string {
  const content = readRegular(path, MAX_KEY);
  if (content instanceof FileFault) throw new UsageError(`Cannot read the key ${path}: it ${content.text}`);
  return content.toString("utf8");
}
