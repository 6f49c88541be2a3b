/**
 * The folder of records. NAME.state is created once and never changed by a provider; only an import of the same key replaces it. NAME.made, the mark, outlives it: it distinguishes a lost record
 * from one that was never created, so no record is created in place of a lost one.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { KleidiError } from "../../error.ts";
import { createPrivate, isStagingOf, removeLeftovers, replaceFile, statOf } from "../../lib/write-files.ts";
import { type FileCause, folderFault, type Invalid, lockFolder, readPrivate, tidy } from "../files.ts";
import { formatRecord, MAX_FILE, parseRecord } from "./record.ts";

/** Matches the staging files of these records. Each process has its own, so two processes never write the same file. */
const isStagedFor = (names: readonly string[]) =>
  isStagingOf(names.flatMap((name) => [`${name}.state`, `${name}.made`]));

/** The name of the folder in which a record is made that replaces another one, without its last six characters. */
const importPrefix = (name: string) => `.${name}.import.`;

export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  recordPath(name: string): string {
    return join(this.path, `${name}.state`);
  }

  /**
   * Locks the folder, from the search for a record until its creation.
   * @param action the beginning of the error message
   * @returns releases the lock
   * @throws KleidiError key-locked, state-invalid
   */
  lock(action: string): () => void {
    const invalid: Invalid = (why, what, cause) =>
      new KleidiError(`state-invalid/${why}`, `${action}: ${what}`, cause);
    const fault = folderFault(this.path);
    if (fault !== undefined) throw invalid("folder", fault);
    return lockFolder(this.path, action, invalid);
  }

  /** Removes the leftovers of killed processes under these names. Not while lock() is held: see clear. @returns see files.ts, tidy */
  tidy(names: readonly string[]): unknown {
    return tidy(this.path, isStagedFor(names), () => this.clear(names));
  }

  /** As tidy, for the holder of the lock. A reader whose staged mark is removed fails to mark; the next reader marks the record. */
  clear(names: readonly string[]): void {
    removeLeftovers(this.path, isStagedFor(names));
    const prefixes = names.map(importPrefix);
    for (const name of readdirSync(this.path)) {
      if (!prefixes.some((prefix) => name.startsWith(prefix))) continue;
      rmSync(join(this.path, name), { recursive: true, force: true });
    }
  }

  /**
   * Reads a record.
   * @returns its value; undefined if the record was never created
   * @throws KleidiError state-invalid
   */
  get(name: string): Uint8Array | undefined {
    const path = this.recordPath(name);
    const invalid = (why: FileCause | "damaged" | "gone", what: string, cause?: unknown) =>
      new KleidiError(`state-invalid/${why}`, `Cannot read record "${name}" from ${path}: ${what}`, cause);
    const fault = folderFault(this.path);
    // Otherwise an unmounted volume would look like a record that was never created.
    if (fault !== undefined) throw invalid("folder", fault);
    const file = readPrivate(path, MAX_FILE, invalid);
    if (file === undefined) {
      if (statOf(this.#markPath(name)) === undefined) return undefined;
      throw invalid(
        "gone",
        `the file is gone, and ${this.#markPath(name)} says that it was created; restore it from its backup`,
      );
    }
    const value = parseRecord(name, file);
    if (typeof value === "string") throw invalid("damaged", value);
    this.#mark(name);
    return value;
  }

  #markPath(name: string): string {
    return join(this.path, `${name}.made`);
  }

  /** Creates the mark, after the record, so that an incomplete record leaves none. If that was interrupted, the next reader does it. */
  #mark(name: string): void {
    const path = this.#markPath(name);
    if (statOf(path) !== undefined) return;
    try {
      createPrivate(
        path,
        `${name}.state was created here. While this file exists, no new one is created in place of a missing one.\n`,
      );
    } catch {
      // This reader may not write here, or another one was first: the record itself is complete.
    }
  }

  /**
   * Creates a record, atomically. Refuses if one exists or ever existed under this name.
   * @returns true if it was created; false if the name is taken
   * @throws KleidiError state-invalid
   */
  put(name: string, value: Uint8Array): boolean {
    const path = this.recordPath(name);
    const fault = folderFault(this.path);
    if (fault !== undefined) {
      throw new KleidiError(
        "state-invalid/folder",
        `Cannot create record "${name}" in ${this.path}: ${fault}`,
      );
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

  /**
   * Replaces a record, or restores a lost one, by one that is made in a folder of its own. Until that is complete, nothing changes here. The
   * caller holds the lock.
   * @param make creates the record in the given folder; if it throws, the old record stays
   * @throws KleidiError state-invalid; the error of `make`
   */
  async replace<T>(name: string, make: (records: StateDirectory) => Promise<T>): Promise<T> {
    const stage = new StateDirectory(mkdtempSync(join(this.path, importPrefix(name))));
    try {
      const made = await make(stage);
      const value = stage.get(name);
      if (value === undefined) {
        throw new KleidiError(
          "state-invalid/unwritten",
          `Cannot replace record "${name}": its provider wrote none`,
        );
      }
      replaceFile(this.recordPath(name), formatRecord(name, value), 0o600);
      this.#mark(name);
      return made;
    } finally {
      rmSync(stage.path, { recursive: true, force: true });
    }
  }
}
