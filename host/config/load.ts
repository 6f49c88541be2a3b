/** The configuration file, read once. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Config } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { parseConfig } from "./parse.ts";

/** In bytes. 64 keys and 64 providers come to about 30 KiB. */
const LARGEST = 1024 * 1024;

/** Reads and parses the file at `path`. Throws ConfigError. */
export function loadConfig(path: string): Config {
  return parseConfig(decoded(path, read(path)), path);
}

/** The file's bytes; at most one more than may be read, so that a file that is too large shows. */
function read(path: string): Buffer {
  let descriptor: number;
  try {
    // a named pipe without a writer would hold the start up for ever
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) throw refused(path, "a file", "a folder", "give the path of the file in it");
    if (!stat.isFile())
      throw refused(path, "a file", "a device, pipe or socket", "give the path of a regular file");
    const buffer = Buffer.alloc(LARGEST + 1);
    let size = 0;
    // a read may give less than was asked for
    for (let got = -1; got !== 0 && size < buffer.length; size += got)
      got = readSync(descriptor, buffer, size, buffer.length - size, null);
    if (size > LARGEST)
      throw refused(
        path,
        "at most 1 MiB",
        `${Math.max(size, stat.size)} bytes`,
        "give the path of the configuration",
      );
    return buffer.subarray(0, size);
  } catch (error) {
    throw error instanceof ConfigError ? error : unreadable(path, error);
  } finally {
    closeSync(descriptor);
  }
}

function decoded(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw refused(path, "UTF-8 text", "bytes that are not", "save the file as UTF-8", error);
  }
}

function unreadable(path: string, error: unknown): ConfigError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "an unexpected failure";
  const expected = "a file that can be read";
  if (code === "ENOENT")
    return refused(path, expected, "none", "write the file, or give the path of another", error);
  if (code === "EACCES")
    return refused(
      path,
      expected,
      "one that this user may not read",
      "let this user read it, and the folders above it",
      error,
    );
  return refused(path, expected, code, "look at the path and the disk it is on", error);
}

function refused(
  path: string,
  expected: string,
  actual: string,
  remedy: string,
  cause?: unknown,
): ConfigError {
  return new ConfigError(path, [{ line: 0, column: 0, path: "", expected, actual, remedy }], cause);
}
