/**
 * Writes many lines to stdout and waits for the reader. process.stdout would buffer everything that the reader has not read.
 */
import { writeSync } from "node:fs";
import { EXIT } from "./output.ts";

/** In UTF-16 units. */
const BATCH = 65_536;
/** The wait before another try while the pipe is full. */
const FULL_MS = 5;

export class LineWriter {
  #text = "";

  /** Adds a line. @param line without a line feed */
  write(line: string): void {
    this.#text += `${line}\n`;
    if (this.#text.length >= BATCH) this.flush();
  }

  /** Writes all lines that were added. */
  flush(): void {
    const bytes = Buffer.from(this.#text);
    this.#text = "";
    for (let at = 0; at < bytes.length; ) at += writeSome(bytes.subarray(at));
  }
}

/** @returns the number of bytes that were written; 0 if the pipe is full */
function writeSome(bytes: Buffer): number {
  try {
    return writeSync(1, bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // "kleidi … | head" exits with its reader
    if (code === "EPIPE") process.exit(EXIT.SUCCESS);
    if (code !== "EAGAIN") throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_MS);
    return 0;
  }
}
