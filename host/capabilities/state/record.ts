/**
 * The format of a record's file: a line of text, then the bytes of the value.
 *
 *     kleidi-state-1 NAME LENGTH CHECKSUM
 *
 * CHECKSUM is the first 16 hexadecimal digits of the SHA-256 of "kleidi-state-1 NAME LENGTH", a line feed and the value. It detects a
 * damaged record, and the name prevents a file from being used as another record. It is not a protection against a writer of the folder: a
 * provider authenticates its own records.
 */
import { createHash } from "node:crypto";

export const MAX_VALUE = 16_384;
/** The largest file: a value with its line. */
export const MAX_FILE = MAX_VALUE + 256;
const FORMAT = "kleidi-state-1";
const LINE_FEED = 0x0a;

export function formatRecord(name: string, value: Uint8Array): Uint8Array {
  const line = `${FORMAT} ${name} ${value.length}`;
  return Buffer.concat([Buffer.from(`${line} ${checksum(line, value)}\n`), value]);
}

/** @returns the value, or the fault of the file as a sentence */
export function parseRecord(name: string, file: Uint8Array): Uint8Array | string {
  if (file.length === 0) return "the file is empty";
  const end = file.indexOf(LINE_FEED);
  const [format, inside, length, sum, ...others] = Buffer.from(file.subarray(0, Math.max(end, 0)))
    .toString("latin1")
    .split(" ");
  if (format !== FORMAT) return `it does not begin with a line of "${FORMAT}"`;
  const value = file.subarray(end + 1);
  if (others.length > 0 || sum === undefined || checksum(`${format} ${inside} ${length}`, value) !== sum) {
    return "its checksum is wrong, so the file is damaged";
  }
  if (inside !== name) return `the file holds the record "${inside}"`;
  if (length !== String(value.length)) return `it holds ${value.length} bytes and says ${length}`;
  return Uint8Array.from(value);
}

function checksum(line: string, value: Uint8Array): string {
  return createHash("sha256").update(`${line}\n`).update(value).digest("hex").slice(0, 16);
}
