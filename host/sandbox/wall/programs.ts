/** Finds the programs that walls are made of. */
import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";
import { PROGRAMS, type Program, type Programs } from "./wall.ts";

/** Where distributions have them. Not PATH: what runs is not for the environment to say. */
const FOLDERS = ["/usr/bin", "/bin"];

/** @param folder where to look in place of the distribution's folders, absolute */
export function findPrograms(folder?: string): Programs {
  const folders = folder === undefined ? FOLDERS : [folder];
  return Object.fromEntries(
    PROGRAMS.flatMap((program) => {
      const path = folders.map((each) => join(each, program)).find(isExecutable);
      return path === undefined ? [] : [[program, path]];
    }),
  );
}

/** @returns what is wrong with a folder that was named for programs, as the second half of a sentence; undefined: nothing */
export function folderFault(folder: string): string | undefined {
  const found = statSync(folder, { throwIfNoEntry: false });
  // What is not a folder has no programs in it, which is told as that.
  if (found === undefined || !found.isDirectory()) return undefined;
  const isOurs = found.uid === 0 || found.uid === process.geteuid?.();
  if (isOurs && (found.mode & 0o022) === 0) return undefined;
  const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
  return `sandbox.programs, ${folder}, can be written by others (uid ${found.uid}, mode ${mode})`;
}

/** @returns why a program is not among those that were found, as the second half of a sentence */
export function whyMissing(program: Program, folder?: string): string {
  if (folder === undefined) return `${program} is not installed`;
  return `${program} cannot be run in sandbox.programs, ${folder} (${faultOf(join(folder, program))})`;
}

function isExecutable(path: string): boolean {
  return faultOf(path) === undefined;
}

/** Undefined: it can be run. */
function faultOf(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}
