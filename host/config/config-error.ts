/** What is wrong with a configuration file: every fault at once, each with its place and its remedy. */
import { KleidiError } from "../error.ts";

/** One fault. No text in it holds more than 60 characters of the file's, and none of an unknown key's value. */
export interface ConfigFault {
  /** Counted from 1; 0 when the fault is of the file itself, not of a line in it. */
  readonly line: number;
  /** Counted from 1 in UTF-16 units; 0 with line 0. */
  readonly column: number;
  /** Where in the document, as in `keys[0].name`; empty for the document as a whole. */
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
  /** A clause that follows a semicolon: `write: ` and a line of YAML, or what to do. */
  readonly remedy: string;
}

/** So many faults are printed; a file that has more is not a configuration. All of them are in `faults`. */
const PRINTED = 50;

/** Refuses a configuration file. Message: a line that counts the faults, then one line for each, in the file's order. */
export class ConfigError extends KleidiError {
  readonly file: string;
  readonly faults: readonly ConfigFault[];

  constructor(file: string, faults: readonly ConfigFault[], cause?: unknown) {
    const ordered = [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
    super("config-invalid", describe(file, ordered), cause);
    this.name = "ConfigError";
    this.file = file;
    this.faults = Object.freeze(ordered);
  }
}

function describe(file: string, faults: readonly ConfigFault[]): string {
  const lines = faults.slice(0, PRINTED).map((fault) => {
    const place = fault.line === 0 ? file : `${file}:${fault.line}:${fault.column}`;
    const path = fault.path === "" ? "" : ` ${fault.path}`;
    return `${place}${path}: expected ${fault.expected}, found ${fault.actual}; ${fault.remedy}`;
  });
  const more = faults.length > PRINTED ? [`and ${faults.length - PRINTED} more`] : [];
  const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
  return [`Cannot use the configuration ${file}: ${count}`, ...lines, ...more].join("\n");
}
