/**
 * The folder of key files. A key is made in three steps, each of which survives a SIGKILL: the complete file under another name,
 * then a record that it was made, then a link to its own name, which fails if there is one. The record (NAME.json, no secret in
 * it) outlives the key file: it is how a lost key is told from one that never was.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { KleidiError } from "../../error.ts";
import { fingerprint, formatKeyFile, KEY_BYTES, KeyBytes, parseKeyFile } from "./key-file.ts";

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

  /** @throws KleidiError key-not-made, key-missing, key-file-invalid */
  load(name: string): KeyBytes {
    const path = this.keyPath(name);
    const action = `Cannot load key "${name}" from ${path}`;
    const status = statOf(path);
    if (status === undefined) {
      const record = this.record(name);
      if (record === undefined) {
        throw new KleidiError(
          "key-not-made",
          `${action}: there is no such file, and no record that the key was made`,
        );
      }
      throw new KleidiError(
        "key-missing",
        `${action}: the file is gone. The key was made on ${record.created} with fingerprint ${record.fingerprint}; restore it from its backup`,
      );
    }
    if (!status.isFile()) throw new KleidiError("key-file-invalid", `${action}: it is no regular file`);
    if ((status.mode & 0o077) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, "0");
      throw new KleidiError(
        "key-file-invalid",
        `${action}: its mode is ${mode}, others may have read it; it should be 0600`,
      );
    }
    if (status.size > MAX_FILE) {
      throw new KleidiError(
        "key-file-invalid",
        `${action}: it is ${status.size} bytes, at most ${MAX_FILE} are allowed`,
      );
    }
    return parseKeyFile(name, path, readText(path, action));
  }

  record(name: string): KeyRecord | undefined {
    const path = join(this.path, `${name}.json`);
    if (statOf(path) === undefined) return undefined;
    try {
      const { fingerprint, created } = JSON.parse(readFileSync(path, "utf8"));
      if (typeof fingerprint === "string" && typeof created === "string")
        return { name, fingerprint, created };
    } catch {
      // Told below: whatever stands there, it means that a key may have been made.
    }
    return { name, fingerprint: "unknown", created: "an unknown day" };
  }

  /**
   * Makes a key that never was.
   * @param pin the fingerprint that the configuration expects: then ciphertexts may exist, and a new key cannot have it
   * @throws KleidiError key-exists, key-missing, key-file-invalid
   */
  create(name: string, pin?: string): KeyRecord {
    const path = this.keyPath(name);
    const action = `Cannot make key "${name}" in ${this.path}`;
    this.#assertFolder(action);
    const staged = join(this.path, `.${name}.key.new`);
    const record = this.record(name);
    if (statOf(path) !== undefined) throw new KleidiError("key-exists", `${action}: ${path} exists already`);
    if (record !== undefined) {
      const resumed = this.#resume(name, staged, record);
      if (resumed) return record;
      throw new KleidiError(
        "key-missing",
        `${action}: it was made on ${record.created} with fingerprint ${record.fingerprint}, and its file is gone; ciphertexts may exist that only that file opens`,
      );
    }
    if (pin !== undefined) {
      throw new KleidiError(
        "key-missing",
        `${action}: the configuration pins version ${pin}, so the key was made before, and its file is gone; ciphertexts may exist that only that file opens`,
      );
    }
    const bytes = new KeyBytes(Uint8Array.from(randomBytes(KEY_BYTES)));
    const made = { name, fingerprint: fingerprint(bytes), created: new Date().toISOString() };
    writeDurably(staged, formatKeyFile(name, bytes));
    bytes.wipe();
    writeDurably(join(this.path, `.${name}.json.new`), `${JSON.stringify(made)}\n`);
    renameSync(join(this.path, `.${name}.json.new`), join(this.path, `${name}.json`));
    this.#publish(staged, path);
    return made;
  }

  /** A "key init" that was ended between record and link left the whole key: it is finished, not made again. */
  #resume(name: string, staged: string, record: KeyRecord): boolean {
    if (statOf(staged) === undefined) return false;
    const bytes = parseKeyFile(name, staged, readText(staged, `Cannot finish making key "${name}"`));
    const same = fingerprint(bytes) === record.fingerprint;
    bytes.wipe();
    if (same) this.#publish(staged, this.keyPath(name));
    return same;
  }

  #publish(staged: string, path: string): void {
    syncFolder(this.path);
    // link, not rename: it fails where a file is, instead of replacing it.
    linkSync(staged, path);
    unlinkSync(staged);
    syncFolder(this.path);
  }

  /** The folder is never made here: an unmounted volume looks like one that is missing. */
  #assertFolder(action: string): void {
    const status = statOf(this.path);
    if (status?.isDirectory()) return;
    const actual = status === undefined ? "does not exist" : "is no folder";
    throw new KleidiError(
      "key-file-invalid",
      `${action}: the folder ${actual}. If no volume is missing, make it: install -d -m 0700 ${this.path}`,
    );
  }
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function readText(path: string, action: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new KleidiError("key-file-invalid", `${action}: it cannot be read (${reason})`, error);
  }
}

function writeDurably(path: string, text: string): void {
  // What a killed "key init" left unfinished was never linked to a name that counts.
  if (statOf(path) !== undefined) unlinkSync(path);
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
