/** Makes reproducible archives: independent of user and umask, with one fixed time, and with the gzip program, whose output does not depend on the processor. */
import { chmodSync, lstatSync, lutimesSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "./run.ts";

/**
 * Sets the mode of every file and folder to 0644 or 0755, and its time.
 * @param time seconds since 1970
 */
export function normalise(path: string, time: number): void {
  const status = lstatSync(path);
  if (status.isDirectory()) for (const name of readdirSync(path)) normalise(join(path, name), time);
  if (!status.isSymbolicLink()) chmodSync(path, status.isDirectory() || status.mode & 0o100 ? 0o755 : 0o644);
  lutimesSync(path, time, time);
}

/**
 * Archives a folder under its own name.
 * @param folder with normalised modes and times
 * @returns the path of the archive, next to the folder: FOLDER.tar.gz
 */
export function archive(folder: string): string {
  const tar = `${folder}.tar`;
  const owner = ["--owner=0", "--group=0", "--numeric-owner"];
  const args = ["--create", "--format=gnu", "--sort=name", ...owner, "--file", tar, basename(folder)];
  run("tar", args, dirname(folder));
  run("gzip", ["--no-name", tar], dirname(folder));
  return `${tar}.gz`;
}

/**
 * Packs a package with npm.
 * @param into an empty folder
 * @returns the path of the archive
 */
export function pack(folder: string, into: string): string {
  run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", into], folder);
  const [name = ""] = readdirSync(into);
  const path = join(into, name);
  // npm uses the zlib of its Node, whose output depends on the processor.
  run("gzip", ["--decompress", path], into);
  run("gzip", ["--no-name", "--suffix=.tgz", path.replace(/\.tgz$/, ".tar")], into);
  return path.replace(/\.tgz$/, ".tar.tgz");
}
