/** The files that a provider's process can read: its program, the packages of its program, and Node. */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { librariesOf } from "./libraries.ts";
import type { Readable } from "./wall.ts";

const sandbox = join(import.meta.dirname, "..");
const root = join(sandbox, "..", "..");

const FILES = [
  ...["wire.mjs", "idle-memory.mjs"].map((name) => join(sandbox, name)),
  join(root, "package.json"),
];
const FOLDERS = [join(sandbox, "guest"), join(root, "node_modules", "@extism", "extism")];

/** Paths for Node's permission model, which compares them as written, and for walls, which resolve links. */
export const GUEST_PATHS: readonly string[] = both([...FILES, ...FOLDERS]);

/** The program that a provider's process runs, and the one that probes the wall. */
export const GUEST_PROGRAM = join(sandbox, "guest", "main.mjs");
export const PROBE_PROGRAM = join(sandbox, "guest", "probe.mjs");

/** @returns the files that a wall shows to the process */
export function readable(): Readable {
  return {
    executable: both([process.execPath, ...librariesOf()]),
    files: both(FILES),
    folders: both(FOLDERS),
  };
}

/** Returns each path as written and as resolved, once: packages can be behind a link. */
function both(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => [path, realpathSync(path)]))];
}
