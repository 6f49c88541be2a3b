/**
 * Writes files atomically: after a crash of the process or the machine, a file is complete or does not exist. A file is written under a
 * staging name (`.NAME.` and 16 hexadecimal digits, in the same folder), synced to the disk, and only then given its final name.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { ownBytes } from "./secret.ts";

const STAGING = /^[0-9a-f]{16}$/;

/** Returns the status of the file at a path, without following a link; undefined if nothing exists there. */
export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/**
 * Creates a file of mode 0600. Never replaces an existing file.
 * @param content a text is encoded as UTF-8; no copy of it stays in memory
 * @param staged the staging path, in the same folder; by default a random one
 * @throws the system's error; EEXIST if the path exists
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
 * Creates a file of mode 0640, whatever the umask is. Never replaces an existing file.
 * @throws the system's error; EEXIST if the path exists
 */
export function createGroupReadable(path: string, text: string): void {
  const staged = stagingPath(path);
  try {
    write(staged, Buffer.from(text), 0o600);
    chmodSync(staged, 0o640);
    publish(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
}

/**
 * Writes a file. Replaces an existing file.
 * @param mode of the new file, less the umask
 * @throws the system's error
 */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o644): void {
  const staged = stagingPath(path);
  try {
    write(staged, Buffer.from(content), mode);
    renameSync(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/**
 * Writes a file with the owner and the group of another one. Replaces an existing file.
 * @param like the path of that other file, which may be the same one, or of a folder
 * @param mode of the new file, whatever the umask is; by default that of `like`
 * @throws the system's error; EPERM if this process may not give the file to that owner
 */
export function replaceAs(path: string, content: string, like: string, mode?: number): void {
  const staged = stageAs(path, content, like, mode);
  try {
    publishOver(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
}

/**
 * The first half of `replaceAs`, for a caller that uses the file before it replaces the other one.
 * @returns the staging path; the caller publishes or removes it
 * @throws the system's error
 */
export function stageAs(path: string, content: string, like: string, mode?: number): string {
  const { uid, gid, mode: own } = statSync(like);
  const staged = stagingPath(path);
  const file = openSync(staged, "wx", 0o600);
  try {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fchownSync(file, uid, gid);
    fchmodSync(file, mode ?? own & 0o777);
    fsyncSync(file);
  } catch (error) {
    rmSync(staged, { force: true });
    // Calls on a descriptor name no path in their errors.
    throw Object.assign(error as Error, { path });
  } finally {
    closeSync(file);
  }
  return staged;
}

/** Gives a staged file its final name, and replaces an existing file. @throws the system's error */
export function publishOver(staged: string, path: string): void {
  renameSync(staged, path);
  syncFolder(dirname(path));
}

/**
 * Writes a file of mode 0600 under a staging name; an existing file there is removed. For a caller that completes the file after a
 * crash; `createPrivate` does both steps.
 * @param path the staging path
 * @param content a text is encoded as UTF-8; no copy of it stays in memory
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
 * Gives a staged file its final name.
 * @param staged the staging path
 * @param path the final path, in the same folder
 * @throws the system's error; EEXIST if `path` exists
 */
export function publish(staged: string, path: string): void {
  syncFolder(dirname(path));
  // link, not rename: link fails if the file exists, rename would replace it
  linkSync(staged, path);
  unlinkSync(staged);
  syncFolder(dirname(path));
}

/** Syncs the entries of a folder to the disk. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Returns a predicate for staging names, which a killed process can leave behind.
 * @param names file names, without a folder
 * @returns true for a staging name of one of these files
 */
export function isStagingOf(names: readonly string[]): (name: string) => boolean {
  const stems = names.map((name) => `.${name}.`);
  return (name) => stems.some((stem) => name.startsWith(stem) && STAGING.test(name.slice(stem.length)));
}

/**
 * Removes files that a killed process left behind, and syncs the folder. Never removes a folder.
 * @param isLeftover true for the name of a file to remove
 */
export function removeLeftovers(folder: string, isLeftover: (name: string) => boolean): void {
  const isFile = (name: string) => statOf(join(folder, name))?.isDirectory() === false;
  const leftovers = readdirSync(folder).filter((name) => isLeftover(name) && isFile(name));
  for (const name of leftovers) unlinkSync(join(folder, name));
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
