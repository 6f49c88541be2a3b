/** What is wrong with a configuration file: every fault at once, each with its place and its remedy. */
import { KleidiError } from "../error.ts";
import type { Fault } from "../schema/fault.ts";

/** So many faults are printed; a file that has more is not a configuration. All of them are in `faults`. */
const PRINTED = 50;

/** Refuses a configuration file. Message: a line that counts the faults, then one line for each, in the file's order. */
export class ConfigError extends KleidiError {
  readonly file: string;
  readonly faults: readonly Fault[];

  constructor(file: string, faults: readonly Fault[], cause?: unknown) {
    const ordered = [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
    super("config-invalid", describe(file, ordered), cause);
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
