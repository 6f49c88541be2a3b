/**
 * Files that are there whole or not at all, whenever the process or the machine stops. A file is written under a staging name that does
 * not count (`.NAME.` and 16 hexadecimal digits, in the same folder), put on the disk, and only then given its own name.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { ownBytes } from "./secret.ts";

const STAGING = /^[0-9a-f]{16}$/;

/** The status of what stands at a path; a link is not followed. Undefined where nothing does. */
export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/**
 * Creates a file of mode 0600. Nothing that stands at the path is replaced.
 * @param staged another staging name, in the same folder
 * @throws the system's error, EEXIST where something stands there
 * @example createPrivate("/var/lib/kleidi/keys/main.state", bytes);
 */
export function createPrivate(path: string, content: string | Uint8Array, staged = stagingPath(path)): void {
  try {
    writePrivate(staged, content);
    publish(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
}

/**
 * Writes a file of mode 0644. What stands at the path is replaced.
 * @throws the system's error
 */
export function replaceFile(path: string, text: string): void {
  const staged = stagingPath(path);
  try {
    write(staged, Buffer.from(text), 0o644);
    renameSync(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/**
 * Writes a file of mode 0600 under a name that does not count; what stands there is removed. For who finishes the file after a crash:
 * `createPrivate` does both steps.
 * @param content no copy of a text stays in memory
 * @throws the system's error
 */
export function writePrivate(path: string, content: string | Uint8Array): void {
  if (statOf(path) !== undefined) unlinkSync(path);
  const bytes = typeof content === "string" ? ownBytes(content) : content;
  try {
    write(path, bytes, 0o600);
  } finally {
    if (typeof content === "string") bytes.fill(0);
  }
}

/**
 * Gives a written file its own name.
 * @throws the system's error, EEXIST where something stands under that name
 */
export function publish(staged: string, path: string): void {
  syncFolder(dirname(path));
  // link, not rename: it fails where a file is, instead of replacing it
  linkSync(staged, path);
  unlinkSync(staged);
  syncFolder(dirname(path));
}

/** Puts the names in a folder on the disk. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Whether a name in a folder is a staging name of one of these files: a killed process left it. */
export function isStagingOf(names: readonly string[]): (name: string) => boolean {
  const stems = names.map((name) => `.${name}.`);
  return (name) => stems.some((stem) => name.startsWith(stem) && STAGING.test(name.slice(stem.length)));
}

/**
 * Removes files that a killed process left, and has that on the disk. A folder under such a name stays.
 * @param isLeftover tells of a name in the folder whether it is one
 */
export function removeLeftovers(folder: string, isLeftover: (name: string) => boolean): void {
  const isFile = (name: string) => statOf(join(folder, name))?.isDirectory() === false;
  const leftovers = readdirSync(folder).filter((name) => isLeftover(name) && isFile(name));
  for (const each of leftovers) unlinkSync(join(folder, each));
  if (leftovers.length > 0) syncFolder(folder);
}

function stagingPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}`);
}

function write(path: string, bytes: Uint8Array, mode: number): void {
  const file = openSync(path, "wx", mode);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
