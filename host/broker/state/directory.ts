/** The folder of records: NAME.state, made once and never changed. */
import { randomBytes } from "node:crypto";
import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { KleidiError } from "../../error.ts";
import { folderFault, publish, readPrivate, statOf, writeDurably } from "../files.ts";
import { formatRecord, MAX_FILE, parseRecord } from "./record.ts";

export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  recordPath(name: string): string {
    return join(this.path, `${name}.state`);
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
    if (file === undefined) return undefined;
    const value = parseRecord(name, file);
    if (typeof value === "string") throw invalid(value);
    return value;
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
    if (statOf(path) !== undefined) return false;
    // A name of its own: two that make the same record at once do not write into one file.
    const staged = join(this.path, `.${name}.state.${randomBytes(8).toString("hex")}`);
    try {
      writeDurably(staged, formatRecord(name, value));
      publish(staged, path);
      return true;
    } catch (error) {
      if (statOf(staged) !== undefined) unlinkSync(staged);
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  }
}
