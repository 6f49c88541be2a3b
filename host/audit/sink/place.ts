/** Opens the file of the log and checks its folder, so that only the host and root can have written there. */
import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { KleidiError } from "../../error.ts";
import { accessFault, PATH_REMEDY } from "../../lib/path-fault.ts";

/** The owner may write, the group may read. */
const MODE = 0o640;

export function invalid(file: string, why: string, cause?: unknown, remedy?: string): KleidiError {
  return new KleidiError("audit-invalid", `Cannot open the audit log ${file}: ${why}`, cause, remedy);
}

/** @throws KleidiError audit-invalid */
export function assertFolder(file: string): void {
  const folder = dirname(file);
  const status = lstatSync(folder, { throwIfNoEntry: false });
  // The host never creates it: an unmounted volume looks like a missing folder.
  if (!status?.isDirectory()) {
    const actual = status === undefined ? "does not exist" : "is not a directory";
    throw invalid(
      file,
      `${folder} ${actual}. If no volume is missing, create it: install -d -m 0750 ${folder}`,
      undefined,
      PATH_REMEDY,
    );
  }
  // The sticky bit prevents others from removing the file, not from creating it first.
  if ((status.mode & 0o002) !== 0)
    throw invalid(
      file,
      `its folder has mode ${octal(status)}, so others can write to it. Change it: chmod 0750 ${folder}`,
    );
}

/**
 * Checks that the file can be opened, and its folder written (the lock and the rotation create files there). Creates nothing.
 * @throws KleidiError audit-invalid
 */
export function assertOpenable(file: string): void {
  assertFolder(file);
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) throw invalid(file, "it is a symbolic link");
  const unsafe = found && faultOf(found);
  if (unsafe !== undefined) throw invalid(file, unsafe);
  const fault = accessFault(file, "create") ?? (found && accessFault(file, "write"));
  if (fault !== undefined) throw invalid(file, fault, undefined, PATH_REMEDY);
}

/**
 * Creates the next file, which is written before it gets the name of the log. Removes a file that a killed host left there.
 * @throws the system's error
 */
export function createFile(path: string): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW } = constants;
  rmSync(path, { force: true });
  return openSync(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, MODE);
}

/**
 * Opens or creates the file, for reading and appending.
 * @throws KleidiError audit-invalid if the file is unsafe; otherwise the system's error
 */
export function openFile(file: string): number {
  const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(file, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, MODE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ELOOP") throw invalid(file, "it is a symbolic link");
    if (code === "EISDIR" || code === "ENXIO") throw invalid(file, "it is not a regular file");
    throw error;
  }
  const status = fstatSync(descriptor);
  const fault = faultOf(status);
  if (fault === undefined) return descriptor;
  // closed because the caller retries while an unsafe file is at the path
  closeSync(descriptor);
  throw invalid(file, fault);
}

function faultOf(status: Stats): string | undefined {
  if (!status.isFile()) return "it is not a regular file";
  if ((status.mode & 0o027) !== 0)
    return `its mode is ${octal(status)}, so others may have written to it; it should be 0640`;
  return undefined;
}

function octal({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
