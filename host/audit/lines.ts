/** Reads the lines of files of any size, in constant memory. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { type Head, headOf, LONGEST_HEAD } from "./chain.ts";
import { LONGEST_LINE } from "./record.ts";

const CHUNK = 1_048_576;
const NEWLINE = 10;

/** One line, in a buffer that is reused after the callback. */
export interface RawLine {
  readonly buffer: Buffer;
  readonly start: number;
  /** The index after its last byte, without the newline. */
  readonly end: number;
  /** 1-based index in its file. */
  readonly number: number;
  /** True if it has a newline and does not exceed the maximum length; otherwise only its first bytes are here. */
  readonly isComplete: boolean;
  /** True for the last line of a file without a newline. */
  readonly isUnterminated: boolean;
}

/**
 * Passes each line of a file to `use`.
 * @param use returns false to stop
 * @param read receives the number of bytes of each chunk that was read
 * @throws the system's error
 */
export function eachLine(
  file: string,
  use: (line: RawLine) => boolean,
  read: (bytes: number) => void = () => {},
): void {
  const descriptor = openSync(file, "r");
  try {
    readLines(descriptor, use, read);
  } finally {
    closeSync(descriptor);
  }
}

function readLines(descriptor: number, use: (line: RawLine) => boolean, read: (bytes: number) => void): void {
  const buffer = Buffer.allocUnsafe(CHUNK + LONGEST_LINE + 1);
  // the number of bytes of an incomplete line, at the front of the buffer
  let kept = 0;
  // the line is too long: its first bytes are kept, the rest is skipped
  let skipping = false;
  let number = 1;
  for (;;) {
    const got = readSync(descriptor, buffer, kept, CHUNK, null);
    if (got === 0) break;
    read(got);
    const filled = kept + got;
    let start = 0;
    let from = kept;
    for (;;) {
      const end = buffer.indexOf(NEWLINE, from);
      // bytes after `filled` are left over from the previous chunk
      if (end === -1 || end >= filled) break;
      const isComplete = !skipping && end - start < LONGEST_LINE;
      if (
        !use({
          buffer,
          start,
          end: Math.min(end, start + LONGEST_LINE),
          number,
          isComplete,
          isUnterminated: false,
        })
      )
        return;
      number += 1;
      skipping = false;
      start = end + 1;
      from = start;
    }
    kept = Math.min(filled - start, LONGEST_LINE + 1);
    skipping ||= filled - start > LONGEST_LINE;
    buffer.copyWithin(0, start, start + kept);
  }
  if (kept > 0) use({ buffer, start: 0, end: kept, number, isComplete: false, isUnterminated: true });
}

export function textOf({ buffer, start, end }: RawLine): string {
  return buffer.toString("latin1", start, end);
}

export function headOfLine({ buffer, start, end }: RawLine): Head | undefined {
  return headOf(buffer.toString("latin1", start, Math.min(end, start + LONGEST_HEAD)));
}

/** Returns the head of the first line that has one; undefined if no line has one. */
export function firstHead(file: string): Head | undefined {
  let head: Head | undefined;
  eachLine(file, (line) => {
    head = headOfLine(line);
    return head === undefined;
  });
  return head;
}

/**
 * Sorts the files of a log by their sequences; files without a line come last. A file with two names is returned once: a host that was
 * killed during a rotation leaves such a file (sink/rotation.ts).
 */
export function sortBySequence(files: readonly string[]): string[] {
  const different = new Map(files.toReversed().map((file) => [identityOf(file), file]));
  const heads = new Map(
    [...different.values()]
      .toReversed()
      .map((file) => [file, firstHead(file)?.seq ?? Number.POSITIVE_INFINITY]),
  );
  return [...heads].sort(([, a], [, b]) => (a === b ? 0 : a - b)).map(([file]) => file);
}

function identityOf(file: string): string {
  const { dev, ino } = statSync(file);
  return `${dev}:${ino}`;
}
