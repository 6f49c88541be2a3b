/** Key material on its way into or out of a file: 32 bytes as 64 hexadecimal digits on one line, for their owner only. */
import { randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { KleidiError } from "../error.ts";

const BYTES = 32;
const LINE = /^[0-9a-f]{64}\n?$/;

/** @throws KleidiError key-file-invalid */
export function readMaterial(path: string): Uint8Array {
  const action = `Cannot import the key from ${path}`;
  const invalid = (what: string, cause?: unknown) =>
    new KleidiError("key-file-invalid", `${action}: ${what}`, cause);
  const buffer = Buffer.alloc(128);
  let size: number;
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const status = fstatSync(file);
      if (!status.isFile()) throw invalid("it is no regular file");
      if ((status.mode & 0o077) !== 0) {
        const mode = (status.mode & 0o777).toString(8).padStart(4, "0");
        throw invalid(`its mode is ${mode}, others may have read it; it should be 0600`);
      }
      size = readSync(file, buffer);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof KleidiError) throw error;
    throw invalid(`it cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`, error);
  }
  const text = buffer.toString("latin1", 0, size);
  const material = Uint8Array.from(Buffer.from(text.trimEnd(), "hex"));
  buffer.fill(0);
  if (!LINE.test(text)) throw invalid(`it should be ${BYTES * 2} lower-case hexadecimal digits on one line`);
  return material;
}

/**
 * Makes key material and writes it to a new file before anybody uses it: what is lost on the way is never the only copy.
 * @throws KleidiError key-exists, key-file-invalid
 */
export function makeMaterial(path: string): Uint8Array {
  const action = `Cannot write the key to ${path}`;
  const material = Uint8Array.from(randomBytes(BYTES));
  try {
    const file = openSync(path, "wx", 0o600);
    try {
      writeSync(file, `${Buffer.from(material).toString("hex")}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    if (code === "EEXIST") throw new KleidiError("key-exists", `${action}: it exists already`);
    throw new KleidiError("key-file-invalid", `${action}: the system refuses it (${code})`, error);
  }
  return material;
}
