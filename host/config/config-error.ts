/** The error of an invalid configuration file: all faults, each with its place and its correction. */
import { KleidiError } from "../error.ts";
import type { Fault } from "../schema/fault.ts";

/** The most faults that are printed. `faults` has all of them. */
const PRINTED = 50;

/**
 * Refuses a configuration file. The message counts the faults on its first line and lists them in the order of the file,
 * one on a line: "file:line:column path: expected …, found …; write: …".
 */
export class ConfigError extends KleidiError {
  /** The path of the file, as given. */
  readonly file: string;
  /** All faults, in the order of the file. */
  readonly faults: readonly Fault[];

  constructor(file: string, faults: readonly Fault[], cause?: unknown, isRead = true) {
    const ordered = [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
    super(isRead ? "config-invalid/faults" : "config-invalid/unreadable", describe(file, ordered), cause);
    this.name = "ConfigError";
    this.file = file;
    this.faults = Object.freeze(ordered);
  }
}

function describe(file: string, faults: readonly Fault[]): string {
  const lines = faults.slice(0, PRINTED).map((fault) => {
    const place = fault.line === 0 ? file : `${file}:${fault.line}:${fault.column}`;
    const path = fault.path === "" ? "" : ` ${fault.path}`;
    return `${place}${path}: expected ${fault.expected}, found ${fault.actual}; ${fault.remedy}`;
  });
  const more = faults.length > PRINTED ? [`and ${faults.length - PRINTED} more`] : [];
  const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
  return [`Cannot use the configuration ${file}: ${count}`, ...lines, ...more].join("\n");
}
