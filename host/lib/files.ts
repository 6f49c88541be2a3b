/**
 * The one reader of files at paths that somebody else chose: an operator, a command line, a folder that others may write. It never
 * waits (a named pipe without a writer would hold the host for ever), looks at the size before it reads, and reads up to a bound.
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

export type FaultKind = "missing" | "denied" | "folder" | "special" | "link" | "large" | "exposed" | "system";

/** Why a file is not read. `what` follows the path or "it"; `remedy` is what to do about it. */
export class FileFault {
  readonly kind: FaultKind;
  readonly what: string;
  readonly remedy: string;
  /** The system's error, where there is one. */
  readonly cause: unknown;

  constructor(kind: FaultKind, what: string, remedy: string, cause?: unknown) {
    this.kind = kind;
    this.what = what;
    this.remedy = remedy;
    this.cause = cause;
  }

  /** Both, as the end of a sentence. */
  get text(): string {
    return `${this.what}; ${this.remedy}`;
  }
}

const LOCKED = new FileFault("special", "is a lock of this host", "give the path of the file that is meant");

export interface ReadOptions {
  /** Links are followed, unless this is false. */
  readonly followLinks?: boolean;
  /** Looks at the status of the file that is open. */
  readonly faultOf?: (status: Stats) => FileFault | undefined;
}

/**
 * All bytes of a regular file.
 * @param maxBytes a larger file is not read
 * @returns bytes in memory of their own: who fills them with zeros leaves no copy
 */
export function readRegular(path: string, maxBytes: number, options: ReadOptions = {}): Buffer | FileFault {
  return withRegular(path, options, (file, { size }) =>
    size > maxBytes ? tooLarge(size, maxBytes) : readOpen(file, size, maxBytes),
  );
}

/** Opens a regular file, gives it to `use` with its status, and closes it. */
export function withRegular<T>(
  path: string,
  { followLinks = true, faultOf }: ReadOptions,
  use: (file: number, status: Stats) => T,
): T | FileFault {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
  let file: number | undefined;
  try {
    // Before it is opened: opening a device can do something already, as a watchdog's starts it.
    const there = followLinks ? statSync(path) : lstatSync(path);
    // To close it would release the lock.
    const before = typeFault(there) ?? (isHeldLock(there) ? LOCKED : undefined);
    if (before !== undefined) return before;
    file = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | (followLinks ? 0 : O_NOFOLLOW));
    // Of the file that is open: another one may stand at the path by now.
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
 * @param position of the first byte
 * @param length in bytes
 * @returns fewer bytes where the file ends
 */
export function readAt(descriptor: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let at = 0;
  for (let got = -1; got !== 0 && at < length; at += got) {
    got = readSync(descriptor, buffer, at, length - at, position + at);
  }
  return buffer.subarray(0, at);
}

/** Whatever its status says of its size: it may grow while it is read, and files of /proc have none. */
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

/** What stands there where it is not a regular file. */
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

/** What the system refused, and why where that can be seen. */
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
  if (code === "EACCES" || code === "EPERM") {
    const remedy = `let the user with the uid ${process.geteuid?.()} read it and enter the folders above it`;
    return new FileFault("denied", what, remedy, error);
  }
  return new FileFault("system", what, "look at the path and at the disk that it is on", error);
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
