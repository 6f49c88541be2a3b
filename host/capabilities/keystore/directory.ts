/**
 * The folder of key files. A key is created in three steps, each of which survives a SIGKILL: the complete file under a staging name, a
 * record of the creation, and a link to the final name, which fails if the name exists. The record (NAME.json, without secrets) outlives
 * the key file: it distinguishes a lost key from one that was never created. One process at a time creates a key. The next process, or
 * the next start of a host, finishes or removes what a killed process left.
 */

import { getRandomValues } from "node:crypto";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { KleidiError } from "../../error.ts";
import { FileFault, readRegular } from "../../lib/files.ts";
import { Secret } from "../../lib/secret.ts";
import { publish, removeLeftovers, statOf, writePrivate } from "../../lib/write-files.ts";
import { folderFault, type Invalid, lockFolder, readPrivate, tidy } from "../files.ts";
import { fingerprint, formatKeyFile, KEY_BYTES, type KeyBytes, parseKeyFile } from "./key-file.ts";

export interface KeyRecord {
  readonly name: string;
  readonly fingerprint: string;
  /** ISO 8601, UTC. */
  readonly created: string;
}

// A key file is under 200 bytes.
const MAX_FILE = 4096;

export class KeyDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  keyPath(name: string): string {
    return join(this.path, `${name}.key`);
  }

  /**
   * Loads a key.
   * @returns the key; the caller wipes it
   * @throws KleidiError key-not-made, key-missing, key-file-invalid
   */
  load(name: string): KeyBytes {
    const path = this.keyPath(name);
    const action = `Cannot load key "${name}" from ${path}`;
    // Otherwise an unmounted volume would look like a key that was never created.
    if (statOf(this.path) === undefined) throw invalid(action)("folder", folderFault(this.path) ?? "");
    const text = this.#read(path, action, name);
    if (text === undefined) {
      const record = this.record(name);
      if (record === undefined) {
        throw new KleidiError(
          "key-not-made",
          `${action}: there is no such file, and no record that the key was created`,
        );
      }
      throw new KleidiError(
        "key-missing/file",
        `${action}: the file is gone. The key was created on ${record.created} with fingerprint ${record.fingerprint}; restore it from its backup`,
      );
    }
    try {
      return parseKeyFile(name, path, text.toString("utf8"));
    } finally {
      text.fill(0);
    }
  }

  /** The record of a key's creation; undefined if the key was never created. An unreadable record counts as one. */
  record(name: string): KeyRecord | undefined {
    const path = join(this.path, `${name}.json`);
    if (statOf(path) === undefined) return undefined;
    const text = readRegular(path, MAX_FILE);
    try {
      const { fingerprint, created } = JSON.parse(text instanceof FileFault ? "" : text.toString("utf8"));
      if (typeof fingerprint === "string" && typeof created === "string")
        return { name, fingerprint, created };
    } catch {
      // An unreadable record still means that a key may have been created.
    }
    return { name, fingerprint: "unknown", created: "an unknown day" };
  }

  /**
   * Creates a key. Refuses if a key exists or ever existed under this name.
   * @param pin the fingerprint that the configuration pins: then ciphertexts may exist, and a new key cannot match it
   * @throws KleidiError key-exists, key-missing, key-locked, key-file-invalid
   */
  create(name: string, pin?: string): KeyRecord {
    const action = `Cannot create key "${name}" in ${this.path}`;
    const fault = folderFault(this.path);
    if (fault !== undefined) throw invalid(action)("folder", fault);
    const release = lockFolder(this.path, action, invalid(action));
    try {
      return this.#create(name, action, pin);
    } finally {
      release();
    }
  }

  /** Removes the leftovers of killed processes under these names, except a staged key that can be finished. @returns see files.ts, tidy */
  tidy(names: readonly string[]): unknown {
    const staged = new Set(names.flatMap(stagedNames));
    return tidy(
      this.path,
      (each) => staged.has(each),
      () => {
        for (const name of names) this.#tidy(name);
      },
    );
  }

  /** Requires the lock of the folder. */
  #tidy(name: string): void {
    const hasRecord = statOf(join(this.path, `${name}.json`)) !== undefined;
    const isFinished = statOf(this.keyPath(name)) !== undefined || !hasRecord;
    const [key, record] = stagedNames(name);
    removeLeftovers(this.path, (each) => each === record || (isFinished && each === key));
  }

  #create(name: string, action: string, pin: string | undefined): KeyRecord {
    this.#tidy(name);
    const path = this.keyPath(name);
    const [stagedKey, stagedRecord] = stagedNames(name);
    const staged = join(this.path, stagedKey);
    const record = this.record(name);
    if (statOf(path) !== undefined)
      throw new KleidiError("key-exists/file", `${action}: ${path} exists already`);
    if (record !== undefined) {
      const resumed = this.#resume(name, staged, record);
      if (resumed) return record;
      throw new KleidiError(
        "key-missing/file",
        `${action}: it was created on ${record.created} with fingerprint ${record.fingerprint}, and its file is gone; ciphertexts may exist that only that file opens`,
      );
    }
    if (pin !== undefined) {
      throw new KleidiError(
        "key-missing/file",
        `${action}: the configuration pins version ${pin}, so the key was created before, and its file is gone; ciphertexts may exist that only that file opens`,
      );
    }
    // In memory of its own, which wipe() clears: there is no other copy.
    const bytes = new Secret(getRandomValues(new Uint8Array(KEY_BYTES)));
    const created = { name, fingerprint: fingerprint(bytes), created: new Date().toISOString() };
    try {
      writePrivate(staged, formatKeyFile(name, bytes));
    } finally {
      bytes.wipe();
    }
    writePrivate(join(this.path, stagedRecord), `${JSON.stringify(created)}\n`);
    renameSync(join(this.path, stagedRecord), join(this.path, `${name}.json`));
    publish(staged, path);
    return created;
  }

  /** Reads a key file. If only its record exists, another process may be creating it: waits for the lock and reads again. */
  #read(path: string, action: string, name: string): Buffer | undefined {
    const read = () => readPrivate(path, MAX_FILE, invalid(action));
    const text = read();
    if (text !== undefined || statOf(join(this.path, `${name}.json`)) === undefined) return text;
    try {
      lockFolder(this.path, action, invalid(action))();
    } catch {
      // This process may read without being allowed to lock: the next read decides.
    }
    return read();
  }

  /** Finishes a creation that was interrupted between record and link. @returns true if the staged key matched the record */
  #resume(name: string, staged: string, record: KeyRecord): boolean {
    const text = readPrivate(staged, MAX_FILE, invalid(`Cannot finish creating key "${name}"`));
    if (text === undefined) return false;
    let bytes: KeyBytes;
    try {
      bytes = parseKeyFile(name, staged, text.toString("utf8"));
    } finally {
      text.fill(0);
    }
    const same = fingerprint(bytes) === record.fingerprint;
    bytes.wipe();
    if (same) publish(staged, this.keyPath(name));
    return same;
  }
}

/** The staging names of a key and of its record. */
const stagedNames = (name: string): [key: string, record: string] => [
  `.${name}.key.new`,
  `.${name}.json.new`,
];

const invalid: (action: string) => Invalid = (action) => (why, what, cause) =>
  new KleidiError(`key-file-invalid/${why}`, `${action}: ${what}`, cause);
