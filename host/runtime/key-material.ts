/** Reads and writes files of key material: 32 bytes as 64 hexadecimal digits on one line, readable by the owner only. */
import { unlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type FileCause, readPrivate } from "../capabilities/files.ts";
import { KleidiError } from "../error.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { createPrivate, isStagingOf, removeLeftovers, syncFolder } from "../lib/write-files.ts";

const BYTES = 32;
const LINE = /^[0-9a-f]{64}\n?$/;
/** Longer than a valid line, so that a longer file is read and its format is refused. */
const MAX_FILE = 256;

/** @throws KleidiError key-file-invalid */
export function readMaterial(path: string): Uint8Array {
  const invalid = (why: FileCause | "import", what: string, cause?: unknown) =>
    new KleidiError(`key-file-invalid/${why}`, `Cannot import the key from ${path}: ${what}`, cause);
  const file = readPrivate(path, MAX_FILE, invalid);
  if (file === undefined) throw invalid("import", "it cannot be read (ENOENT)");
  const text = file.toString("latin1");
  file.fill(0);
  if (!LINE.test(text))
    throw invalid("import", `it should be ${BYTES * 2} lower-case hexadecimal digits on one line`);
  // Not Buffer.from(text): that would leave a copy in Node's pool.
  const material = new Uint8Array(BYTES);
  Buffer.from(material.buffer).write(text.trimEnd(), "hex");
  return material;
}

/**
 * Generates key material and writes it to a new file, synced to the disk, before it is used: if the key exists, so does the file.
 * @throws KleidiError key-exists, key-file-invalid
 */
export function createMaterial(path: string): Uint8Array {
  const action = `Cannot write the key to ${path}`;
  const material = crypto.getRandomValues(new Uint8Array(BYTES));
  try {
    // The file of a killed process was never imported, so it belongs to no key.
    removeLeftovers(dirname(path), isStagingOf([basename(path)]));
    createPrivate(path, `${Buffer.from(material).toString("hex")}\n`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    if (code === "EEXIST") throw new KleidiError("key-exists/escrow", `${action}: it exists already`);
    const why = pathErrorText(path, error, "create");
    throw new KleidiError("key-file-invalid/path", `${action}: ${why}`, error);
  }
  return material;
}

/** Removes the file of key material that belongs to no key, because it would be taken for a key's one day. */
export function removeMaterial(path: string): void {
  unlinkSync(path);
  syncFolder(dirname(path));
}
