/**
 * The folder of records: NAME.state, made once and never changed, and beside it NAME.made, which outlives it: so a record that was
 * lost is told from one that never was, and nothing is made over a missing one.
 */
import { join } from "node:path";
import { KleidiError } from "../../error.ts";
import { createPrivate, isStagingOf, removeLeftovers, statOf } from "../../lib/write-files.ts";
import { folderFault, lockFolder, readPrivate, tidy } from "../files.ts";
import { formatRecord, MAX_FILE, parseRecord } from "./record.ts";

/** Of files that are not finished: two that make the same record at once do not write into one file. */
const isStagedFor = (names: readonly string[]) =>
  isStagingOf(names.flatMap((name) => [`${name}.state`, `${name}.made`]));

export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  recordPath(name: string): string {
    return join(this.path, `${name}.state`);
  }

  /**
   * Keeps others from making a record here, from before it is looked for one until it is made.
   * @param action the beginning of the failure's sentence
   * @returns ends it
   * @throws KleidiError key-locked, state-invalid
   */
  lock(action: string): () => void {
    const invalid = (what: string, cause?: unknown) =>
      new KleidiError("state-invalid", `${action}: ${what}`, cause);
    const fault = folderFault(this.path);
    if (fault !== undefined) throw invalid(fault);
    return lockFolder(this.path, action, invalid);
  }

  /** Removes what a killed process left of records under these names. Not while lock() is held: see clear. @returns see files.ts, tidy */
  tidy(names: readonly string[]): unknown {
    return tidy(this.path, isStagedFor(names), () => this.clear(names));
  }

  /** The same, by who holds the lock. A reader that marks a record now does without: the next one marks it. */
  clear(names: readonly string[]): void {
    removeLeftovers(this.path, isStagedFor(names));
  }

  /**
   * @returns the value; undefined where the record was never made
   * @throws KleidiError state-invalid
   */
  get(name: string): Uint8Array | undefined {
    const path = this.recordPath(name);
    const invalid = (what: string, cause?: unknown) =>
      new KleidiError("state-invalid", `Cannot read record "${name}" from ${path}: ${what}`, cause);
    const fault = folderFault(this.path);
    // Else a volume that is not mounted looks like a record that never was.
    if (fault !== undefined) throw invalid(fault);
    const file = readPrivate(path, MAX_FILE, invalid);
    if (file === undefined) {
      if (statOf(this.#markPath(name)) === undefined) return undefined;
      throw invalid(
        `the file is gone, and ${this.#markPath(name)} says that it was made; restore it from its backup`,
      );
    }
    const value = parseRecord(name, file);
    if (typeof value === "string") throw invalid(value);
    this.#mark(name);
    return value;
  }

  #markPath(name: string): string {
    return join(this.path, `${name}.made`);
  }

  /** After the record, so that one that was never whole leaves none; where that was interrupted, the next reader does it. */
  #mark(name: string): void {
    const path = this.#markPath(name);
    if (statOf(path) !== undefined) return;
    try {
      createPrivate(
        path,
        `${name}.state was made here. While this file is there, none is made over a missing one.\n`,
      );
    } catch {
      // A reader that may not write here, or another one that was first: the record itself is whole.
    }
  }

  /**
   * Makes a record that never was; it is whole or not there, whenever the host is killed.
   * @returns false where something stands under its name
   * @throws KleidiError state-invalid
   */
  put(name: string, value: Uint8Array): boolean {
    const path = this.recordPath(name);
    const fault = folderFault(this.path);
    if (fault !== undefined) {
      throw new KleidiError("state-invalid", `Cannot make record "${name}" in ${this.path}: ${fault}`);
    }
    if (statOf(path) !== undefined || statOf(this.#markPath(name)) !== undefined) return false;
    try {
      createPrivate(path, formatRecord(name, value));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
    this.#mark(name);
    return true;
  }
}
