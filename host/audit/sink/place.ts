/** Opens the file of the log and checks its folder, so that only the host and root can have written there. */
import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { type FaultName, KleidiError } from "../../error.ts";
import { accessFault } from "../../lib/path-fault.ts";

/** The owner may write, the group may read. */
const MODE = 0o640;

type Fault = Extract<FaultName, `audit-invalid/${string}`>;

export function invalid(fault: Fault, file: string, why: string, cause?: unknown): KleidiError {
  return new KleidiError(fault, `Cannot open the audit log ${file}: ${why}`, cause);
}

/** @throws KleidiError audit-invalid */
export function assertFolder(file: string): void {
  const folder = dirname(file);
  const status = lstatSync(folder, { throwIfNoEntry: false });
  // The host never creates it: an unmounted volume looks like a missing folder.
  if (!status?.isDirectory()) {
    const actual = status === undefined ? "does not exist" : "is not a directory";
    throw invalid(
      "audit-invalid/path",
      file,
      `${folder} ${actual}. If no volume is missing, create it: install -d -m 0750 ${folder}`,
    );
  }
  // The sticky bit prevents others from removing the file, not from creating it first.
  if ((status.mode & 0o002) !== 0)
    throw invalid(
      "audit-invalid/exposed",
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
  if (found?.isSymbolicLink()) throw invalid("audit-invalid/type", file, "it is a symbolic link");
  if (found !== undefined) assertSafe(file, found);
  const fault = accessFault(file, "create") ?? (found && accessFault(file, "write"));
  if (fault !== undefined) throw invalid("audit-invalid/path", file, fault);
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
    if (code === "ELOOP") throw invalid("audit-invalid/type", file, "it is a symbolic link");
    if (code === "EISDIR" || code === "ENXIO")
      throw invalid("audit-invalid/type", file, "it is not a regular file");
    throw error;
  }
  try {
    assertSafe(file, fstatSync(descriptor));
    return descriptor;
  } catch (error) {
    // closed because the caller retries while an unsafe file is at the path
    closeSync(descriptor);
    throw error;
  }
}

function assertSafe(file: string, status: Stats): void {
  if (!status.isFile()) throw invalid("audit-invalid/type", file, "it is not a regular file");
  if ((status.mode & 0o027) === 0) return;
  throw invalid(
    "audit-invalid/exposed",
    file,
    `its mode is ${octal(status)}, so others may have written to it; it should be 0640`,
  );
}

function octal({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
