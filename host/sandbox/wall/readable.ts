/** All that a provider's process may read: its program, the packages of that, and Node. */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { librariesOf } from "./libraries.ts";
import type { Readable } from "./wall.ts";

const sandbox = join(import.meta.dirname, "..");
const root = join(sandbox, "..", "..");

const FILES = [join(sandbox, "wire.mjs"), join(root, "package.json")];
const FOLDERS = [join(sandbox, "guest"), join(root, "node_modules", "@extism", "extism")];

/** For Node's permission model, which compares paths as they are written, and for walls, which look at what is behind them. */
export const GUEST_PATHS: readonly string[] = both([...FILES, ...FOLDERS]);

/** The program that a provider's process runs, and the one that tries the wall. */
export const GUEST_PROGRAM = join(sandbox, "guest", "main.mjs");
export const PROBE_PROGRAM = join(sandbox, "guest", "probe.mjs");

/** @returns what a wall shows to the process */
export function readable(): Readable {
  return {
    executable: both([process.execPath, ...librariesOf()]),
    files: both(FILES),
    folders: both(FOLDERS),
  };
}

/** Packages may lie behind a link: each path as it is written and as it is resolved, once. */
function both(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => [path, realpathSync(path)]))];
}
