/**
 * Reads files at untrusted paths: from an operator, a command line, or a folder that others may write. It never blocks (a named pipe
 * without a writer would block the host forever), checks the size before it reads, and reads up to a limit.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { isHeldLock } from "./held-locks.ts";
import { explainPathError, type PathFault } from "./path-fault.ts";

export type FaultKind = "missing" | "denied" | "folder" | "special" | "link" | "large" | "exposed" | "system";

/** The reason why a file is not read. `problem` continues a sentence after the path or "it"; `remedy` tells the operator how to fix it. */
export class FileFault {
  readonly kind: FaultKind;
  readonly problem: string;
  readonly remedy: string;
  /** The system's error, if there is one. */
  readonly cause: unknown;

  constructor(kind: FaultKind, problem: string, remedy: string, cause?: unknown) {
    this.kind = kind;
    this.problem = problem;
    this.remedy = remedy;
    this.cause = cause;
  }

  /** The fault and its remedy, as the end of a sentence. */
  get text(): string {
    return `${this.problem}; ${this.remedy}`;
  }
}

const LOCKED = new FileFault("special", "is a lock of this host", "give the path of the file that is meant");

export interface ReadOptions {
  /** True if symbolic links are followed; by default true. */
  readonly followLinks?: boolean;
  /** Checks the status of the open file; undefined: no fault. */
  readonly faultOf?: (status: Stats) => FileFault | undefined;
}

/**
 * Reads a whole regular file.
 * @param maxBytes the size limit; a larger file is not read
 * @returns bytes in memory of their own, so that filling them with zeros leaves no copy; a FileFault if the file cannot be read
 * @example
 *     const content = readRegular(path, 65_536);
 *     if (content instanceof FileFault) throw new Error(`${path} ${content.text}`);
 */
export function readRegular(path: string, maxBytes: number, options: ReadOptions = {}): Buffer | FileFault {
  return withRegular(path, options, (file, { size }) =>
    size > maxBytes ? tooLarge(size, maxBytes) : readOpen(file, size, maxBytes),
  );
}

/**
 * Opens a regular file, passes it to `use`, and closes it.
 * @param use receives the descriptor and the status of the open file
 * @returns the result of `use`; a FileFault if the file cannot be opened
 * @throws the error of `use`, unless it is an error of the system
 */
export function withRegular<T>(
  path: string,
  { followLinks = true, faultOf }: ReadOptions,
  use: (file: number, status: Stats) => T,
): T | FileFault {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
  let file: number | undefined;
  try {
    // Checked before opening: opening a device can have effects (opening a watchdog starts it).
    const there = followLinks ? statSync(path) : lstatSync(path);
    // Closing the file would release the lock.
    const before = typeFault(there) ?? (isHeldLock(there) ? LOCKED : undefined);
    if (before !== undefined) return before;
    file = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | (followLinks ? 0 : O_NOFOLLOW));
    // Checked again on the open file: the path may lead to another one by now.
    const status = fstatSync(file);
    return typeFault(status) ?? faultOf?.(status) ?? use(file, status);
  } catch (error) {
    return systemFault(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Reads a part of an open file.
 * @param position the offset of the first byte
 * @param length the number of bytes
 * @returns the bytes; fewer than `length` at the end of the file
 */
export function readAt(descriptor: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let at = 0;
  for (let got = -1; got !== 0 && at < length; at += got) {
    got = readSync(descriptor, buffer, at, length - at, position + at);
  }
  return buffer.subarray(0, at);
}

/** Reads to the end of the file, not to the size in its status: the file may grow meanwhile, and files in /proc report size 0. */
function readOpen(file: number, expected: number, maxBytes: number): Buffer | FileFault {
  let buffer = Buffer.alloc(expected + 1);
  let size = 0;
  for (;;) {
    const read = readSync(file, buffer, size, buffer.length - size, null);
    if (read === 0) return buffer.subarray(0, size);
    size += read;
    if (size < buffer.length) continue;
    if (size > maxBytes) {
      buffer.fill(0);
      return tooLarge(size, maxBytes);
    }
    const larger = Buffer.alloc(maxBytes + 1);
    buffer.copy(larger);
    buffer.fill(0);
    buffer = larger;
  }
}

/** Returns a fault that names the file type; undefined for a regular file. */
export function typeFault(status: Stats): FileFault | undefined {
  if (status.isFile()) return undefined;
  if (status.isDirectory()) return new FileFault("folder", "is a folder", "give the path of the file in it");
  if (status.isSymbolicLink())
    return new FileFault("link", "is a link, which is not followed here", "name the file itself");
  const what = status.isFIFO() ? "a named pipe" : status.isSocket() ? "a socket" : "a device";
  return new FileFault("special", `is ${what}`, "give the path of a regular file");
}

function tooLarge(size: number, maxBytes: number): FileFault {
  const what = `is ${size} bytes, at most ${maxBytes} are allowed`;
  return new FileFault("large", what, "give the path of the file that is meant");
}

/**
 * Turns an error of the system into a fault.
 * @param error thrown by node:fs
 * @throws `error` itself, if it is not an error of the system
 */
export function systemFault(path: string, error: unknown): FileFault {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) throw error;
  if (code === "ENOENT" && isLink(path)) {
    const remedy = "put the file there that it names, or correct the path";
    return new FileFault("missing", `cannot be read (${code}): it is a link to nothing`, remedy, error);
  }
  const what = `cannot be read (${code})`;
  if (code === "ENOENT")
    return new FileFault("missing", what, "put the file there, or correct the path", error);
  const kind = code === "EACCES" || code === "EPERM" ? "denied" : "system";
  const { problem, remedy } = explainPathError(path, error, "read") ?? UNEXPLAINED;
  return new FileFault(kind, `${what}: ${problem}`, remedy, error);
}

const UNEXPLAINED: PathFault = {
  problem: "the disk or the path has a fault",
  remedy: "look at the path and at the disk that it is on",
};

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
