/** Reads the configuration file, once. */
import { FileFault, readRegular } from "../lib/files.ts";
import { explainPathError } from "../lib/path-fault.ts";
import { denyCallersSecrets } from "../lib/secret-files.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { parseConfig } from "./parse.ts";

/** In bytes. A file with 64 keys and 64 providers has about 30 KiB. */
export const LARGEST = 1024 * 1024;

/**
 * Reads and parses the configuration file. Afterwards the process refuses every secret file that the group of one of its
 * sockets may read.
 * @param path relative to the working directory, or absolute
 * @throws ConfigError, the file cannot be read or has faults
 */
export function loadConfig(path: string): Config {
  const config = parseFile(path);
  const { admin } = config;
  denyCallersSecrets([config.listen, ...(admin !== undefined && "socket" in admin ? [admin] : [])]);
  return config;
}

/**
 * Reads and parses the configuration file. Nothing in this process changes.
 * @throws ConfigError, the file cannot be read or has faults
 */
export function parseFile(path: string): Config {
  return parseConfig(readConfig(path), path);
}

/**
 * Reads the configuration file and does not parse it.
 * @throws ConfigError, the file cannot be read or is not UTF-8
 */
export function readConfig(path: string): string {
  return decoded(path, read(path));
}

function read(path: string): Buffer {
  const bytes = readRegular(path, LARGEST);
  if (!(bytes instanceof FileFault)) return bytes;
  const { kind, problem, remedy, cause } = bytes;
  if (kind === "folder") throw refused(path, "a file", "a folder", "give the path of the file in it");
  if (kind === "special") throw refused(path, "a file", problem.replace(/^is /, ""), remedy);
  if (kind === "large")
    throw refused(
      path,
      "at most 1 MiB",
      `${/[0-9]+/.exec(problem)} bytes`,
      "give the path of the configuration",
    );
  throw unreadable(path, cause);
}

function decoded(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw refused(path, "UTF-8 text", "bytes that are not valid UTF-8", "save the file as UTF-8", error);
  }
}

function unreadable(path: string, error: unknown): ConfigError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "an unexpected failure";
  const expected = "a file that can be read";
  if (code === "ENOENT")
    return refused(path, expected, "no file", "create the file, or give another path", error);
  const fault = explainPathError(path, error, "read");
  if (fault === undefined) return refused(path, expected, code, "check the path and its disk", error);
  const actual = code === "EACCES" ? "a file that this user may not read" : code;
  return refused(path, expected, `${actual}: ${fault.problem}`, fault.remedy, error);
}

function refused(
  path: string,
  expected: string,
  actual: string,
  remedy: string,
  cause?: unknown,
): ConfigError {
  return new ConfigError(path, [{ line: 0, column: 0, path: "", expected, actual, remedy }], cause, false);
}
