/** Finds the programs that walls need. */
import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";
import { PROGRAMS, type Program, type Programs } from "./wall.ts";

/** The folders of distributions. PATH is not used: the environment must not decide what runs. */
const FOLDERS = ["/usr/bin", "/bin"];

/** @param folder an absolute path, in place of the distribution's folders */
export function findPrograms(folder?: string): Programs {
  const folders = folder === undefined ? FOLDERS : [folder];
  return Object.fromEntries(
    PROGRAMS.flatMap((program) => {
      const path = folders.map((each) => join(each, program)).find(isExecutable);
      return path === undefined ? [] : [[program, path]];
    }),
  );
}

/** @returns the fault of the folder of sandbox.programs, as the second half of a sentence; undefined if there is none */
export function folderFault(folder: string): string | undefined {
  const found = statSync(folder, { throwIfNoEntry: false });
  // Without a folder there are no programs; whyMissing reports that.
  if (found === undefined || !found.isDirectory()) return undefined;
  const isOurs = found.uid === 0 || found.uid === process.geteuid?.();
  if (isOurs && (found.mode & 0o022) === 0) return undefined;
  const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
  return `sandbox.programs, ${folder}, can be written by others (uid ${found.uid}, mode ${mode})`;
}

/** @returns the reason why a program was not found, as the second half of a sentence */
export function whyMissing(program: Program, folder?: string): string {
  if (folder === undefined) return `${program} is not installed`;
  return `${program} cannot be run in sandbox.programs, ${folder} (${faultOf(join(folder, program))})`;
}

function isExecutable(path: string): boolean {
  return faultOf(path) === undefined;
}

/** @returns the error code of access(2); undefined if the file is executable */
function faultOf(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}
