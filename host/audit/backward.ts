/** Reads the lines of a file from the end to the beginning, in constant memory. */
import { readAt } from "../lib/files.ts";
import { LONGEST_LINE } from "./record.ts";

const CHUNK = 262_144;
const NEWLINE = 10;

/**
 * Yields the lines of a file, the last one first. A line longer than the limit is yielded as an empty text, and reading stops.
 * @param size the number of bytes to read from the beginning; must end with a newline
 */
export function* linesBackward(descriptor: number, size: number): Generator<string> {
  let end = size;
  // the end of a line that begins in an earlier chunk
  let kept = Buffer.alloc(0);
  while (end > 0) {
    const start = Math.max(0, end - CHUNK);
    const chunk = Buffer.concat([readAt(descriptor, start, end - start), kept]);
    // the newline of the last line in the chunk
    let to = chunk.length - 1;
    for (;;) {
      const from = to === 0 ? -1 : chunk.lastIndexOf(NEWLINE, to - 1);
      if (from === -1) break;
      yield chunk.toString("latin1", from + 1, to);
      to = from;
    }
    if (start === 0) yield chunk.toString("latin1", 0, to);
    else if (to > LONGEST_LINE) {
      yield "";
      return;
    }
    kept = chunk.subarray(0, to + 1);
    end = start;
  }
}
