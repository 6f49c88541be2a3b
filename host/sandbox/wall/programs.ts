/** Finds the programs that walls are made of. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { PROGRAMS, type Programs } from "./wall.ts";

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

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
