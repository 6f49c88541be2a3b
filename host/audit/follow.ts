/** Follows a log while it is written, beginning with its last lines and across rotations. */
import { closeSync, fstatSync, openSync, readSync, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { LONGEST_LINE } from "./record.ts";

const CHUNK = 65_536;
/** For file systems that do not report changes. */
const POLL_MS = 500;

/**
 * Passes the last `count` lines to `use`, then each new line.
 * @returns a function that stops following
 * @throws the system's error if the file cannot be opened
 */
export function follow(file: string, count: number, use: (line: string) => void): () => void {
  const reader = new Reader(file, use);
  reader.start(count);
  // watches the folder: rotation renames the file
  const watcher = watch(dirname(file), (_event, name) => {
    if (name === null || name === basename(file)) reader.read();
  });
  const timer = setInterval(() => reader.read(), POLL_MS);
  return () => {
    watcher.close();
    clearInterval(timer);
    reader.close();
  };
}

class Reader {
  readonly #file: string;
  readonly #use: (line: string) => void;
  readonly #buffer = Buffer.alloc(CHUNK);
  #descriptor: number;
  #at = 0;
  #rest = "";

  constructor(file: string, use: (line: string) => void) {
    this.#file = file;
    this.#use = use;
    this.#descriptor = openSync(file, "r");
  }

  start(count: number): void {
    const { size } = fstatSync(this.#descriptor);
    const from = Math.max(0, size - Math.min(16 * CHUNK, (count + 1) * LONGEST_LINE));
    this.#at = from;
    const lines = this.#newLines();
    // the first one has lost its beginning
    if (from > 0) lines.shift();
    for (const line of count === 0 ? [] : lines.slice(-count)) this.#use(line);
  }

  /** Reads the new lines. At the end of a file that was renamed, continues with the new file at its path. */
  read(): void {
    for (const line of this.#newLines()) this.#use(line);
    const there = statSync(this.#file, { throwIfNoEntry: false });
    const own = fstatSync(this.#descriptor);
    if (there === undefined || (there.ino === own.ino && there.size >= this.#at)) return;
    const next = tryOpen(this.#file);
    if (next === undefined) return;
    // lines that were written between the check and the rotation
    for (const line of this.#newLines()) this.#use(line);
    closeSync(this.#descriptor);
    this.#descriptor = next;
    this.#at = 0;
    this.#rest = "";
    for (const line of this.#newLines()) this.#use(line);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #newLines(): string[] {
    const lines: string[] = [];
    for (;;) {
      const got = readSync(this.#descriptor, this.#buffer, 0, CHUNK, this.#at);
      if (got === 0) return lines;
      this.#at += got;
      const parts = (this.#rest + this.#buffer.toString("latin1", 0, got)).split("\n");
      // text that is not an audit log may have no newline: it is passed on in pieces
      this.#rest = (parts.pop() ?? "").slice(-LONGEST_LINE);
      lines.push(...parts);
    }
  }
}

/** Undefined if the file cannot be opened now; the caller tries again. */
function tryOpen(file: string): number | undefined {
  try {
    return openSync(file, "r");
  } catch {
    return undefined;
  }
}
