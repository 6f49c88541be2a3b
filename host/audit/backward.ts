/** The lines of a file from its end to its beginning, in constant memory. */
import { readAt } from "../lib/files.ts";
import { LONGEST_LINE } from "./record.ts";

const CHUNK = 262_144;
const NEWLINE = 10;

/**
 * Gives each line in front of `size`, the last one first; where there is no newline for longer than a line may be, an empty text.
 * @param size bytes of lines with their newlines
 */
export function* linesBackward(descriptor: number, size: number): Generator<string> {
  let end = size;
  // of a line that begins further in front
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
