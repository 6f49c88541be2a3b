/** Finds the programs that walls are made of. */
import { accessSync, constants } from "node:fs";
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
