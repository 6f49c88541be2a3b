/**
 * Explains an error that the system returned for a path: the part of the path at fault with its owner and mode, this process' uid, and the
 * command that fixes it. One code has several causes (EACCES: the file, or a folder above it), and each has its own command.
 */
import { accessSync, constants, lstatSync, readFileSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";

/** `problem` and `remedy` continue a sentence; `remedy` contains a command. */
export interface PathFault {
  readonly problem: string;
  readonly remedy: string;
}

/** The operation that failed: it reads a file, writes one, or creates one in its folder. */
export type Access = "read" | "write" | "create";

/**
 * Explains an error of the system.
 * @param path the path of the failed operation
 * @returns undefined for an error that is not about a path: a fault of the program
 * @example
 *     const { problem, remedy } = explainPathError("/var/log/kleidi/audit.jsonl", error, "write") ?? UNKNOWN;
 */
export function explainPathError(path: string, error: unknown, access: Access): PathFault | undefined {
  const { code = "", syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return undefined;
  return EXPLANATIONS[code]?.(resolve(path), access);
}

/** Explains an error as the end of a sentence, with the command. @param error of the system, or a fault of `accessFault` */
export function pathErrorText(path: string, error: unknown, access: Access): string {
  const { code = "unknown" } = error as NodeJS.ErrnoException;
  const explained = explainPathError(path, error, access);
  const why = explained === undefined ? "" : `: ${explained.problem}; ${explained.remedy}`;
  return `the system refuses it (${code})${why}`;
}

/**
 * Checks in advance that this process may use a path. Opens and changes nothing.
 * @returns the fault as the end of a sentence, with the command; undefined if the operation is permitted
 */
export function accessFault(path: string, access: Access): string | undefined {
  const target = access === "create" ? dirname(resolve(path)) : path;
  const { R_OK, W_OK, X_OK } = constants;
  try {
    accessSync(target, access === "read" ? R_OK : access === "write" ? W_OK : W_OK | X_OK);
    return undefined;
  } catch (error) {
    return pathErrorText(path, error, access);
  }
}

const EXPLANATIONS: Readonly<Record<string, (path: string, access: Access) => PathFault>> = {
  EACCES: denied,
  EPERM: denied,
  ENOENT: missing,
  ENOTDIR: notFolder,
  EROFS: readOnly,
  ENOSPC: full,
  EDQUOT: full,
  ELOOP: links,
};

function denied(path: string, access: Access): PathFault {
  const uid = process.geteuid?.();
  const closed = foldersOf(path).find((folder) => !may(folder, constants.X_OK));
  if (closed !== undefined)
    return {
      problem: `${ownerOf(closed)}, so this process (uid ${uid}) cannot enter that folder`,
      remedy: `let it enter: chmod o+x ${closed}`,
    };
  const target = access === "create" || !exists(path) ? dirname(path) : path;
  const verb = access === "read" ? "read" : "write";
  return {
    problem: `${ownerOf(target)}, so this process (uid ${uid}) cannot ${verb} it`,
    remedy:
      uid === 0
        ? `look for an attribute or a security module: lsattr -d ${target}`
        : `give it to that user: chown ${uid} ${target}`,
  };
}

function missing(path: string): PathFault {
  const folder = foldersOf(path).find((each) => !exists(each));
  if (folder !== undefined)
    return {
      problem: `the folder ${folder} does not exist`,
      remedy: `create it: install -d -m 0750 ${dirname(path)}`,
    };
  if (isLink(path)) return { problem: `it is a link to nothing`, remedy: `look at it: readlink ${path}` };
  return { problem: "it does not exist", remedy: "create it, or correct the path" };
}

function notFolder(path: string): PathFault {
  const file = foldersOf(path).find((each) => statOf(each)?.isDirectory() === false) ?? dirname(path);
  return { problem: `${file} is not a folder`, remedy: `look at it: ls -ld ${file}, and correct the path` };
}

function readOnly(path: string): PathFault {
  const mount = mountOf(path);
  return {
    problem: `the file system at ${mount} is read-only`,
    remedy: `make it writable: mount -o remount,rw ${mount}; in a unit with ProtectSystem: ReadWritePaths=${dirname(path)}`,
  };
}

function full(path: string): PathFault {
  const mount = mountOf(path);
  return {
    problem: `no space is left on the file system at ${mount}`,
    remedy: `look at its space and its inodes: df -h ${mount}; df -i ${mount}`,
  };
}

function links(path: string): PathFault {
  const link = [...foldersOf(path), path].find(isLink) ?? path;
  const to = isLink(link) ? ` to ${readlinkSync(link)}` : "";
  return {
    problem: `${link} is a link${to} that cannot be followed`,
    remedy: `look at each step: namei -l ${path}`,
  };
}

/** The folders above a path, from the root. */
function foldersOf(path: string): string[] {
  const parts = dirname(path)
    .split(sep)
    .filter((part) => part !== "");
  return ["/", ...parts.map((_, i) => join("/", ...parts.slice(0, i + 1)))];
}

function ownerOf(path: string): string {
  const status = statOf(path);
  if (status === undefined) return `${path} cannot be examined`;
  const mode = (status.mode & 0o7777).toString(8).padStart(4, "0");
  return `${path} belongs to uid ${status.uid} and gid ${status.gid}, mode ${mode}`;
}

function mountOf(path: string): string {
  try {
    const points = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "");
    const above = points.filter(
      (point) => point !== "" && (path === point || path.startsWith(join(point, "/"))),
    );
    return above.toSorted((a, b) => b.length - a.length)[0] ?? "/";
  } catch {
    return dirname(path);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    // A missing folder is another fault.
    return !["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

function exists(path: string): boolean {
  return statOf(path) !== undefined;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
