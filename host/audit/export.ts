/** Exports checkpoints without the other lines. They are small; keep them where the writer of the log cannot write. */
import { isCanonical } from "./canonical.ts";
import { hashOf, headOf, prefixOf, recordOf } from "./chain.ts";
import { eachLine, headOfLine, sortBySequence, textOf } from "./lines.ts";

export interface ExportedCheckpoint {
  readonly chain: string;
  readonly seq: number;
  /** The hash of the whole line. */
  readonly hash: string;
  /** The hash of the line before it. */
  readonly prev: string;
  readonly time: string;
  readonly signature: string;
}

/** Passes each checkpoint line to `write`. @returns the number of checkpoints */
export function exportCheckpoints(files: readonly string[], write: (line: string) => void): number {
  let count = 0;
  for (const file of sortBySequence(files)) {
    eachLine(file, (line) => {
      if (line.isComplete && headOfLine(line)?.kind === "checkpoint") {
        write(textOf(line));
        count += 1;
      }
      return true;
    });
  }
  return count;
}

/**
 * Reads exported checkpoints.
 * @returns the checkpoints, sorted by sequence; or the place of the first line that is not a checkpoint (a 1-based index)
 */
export function readCheckpoints(
  files: readonly string[],
): ExportedCheckpoint[] | { file: string; line: number } {
  const found = new Map<number, ExportedCheckpoint>();
  for (const file of files) {
    let invalidLine: number | undefined;
    eachLine(file, (line) => {
      const text = textOf(line);
      const record = line.isComplete && isCheckpoint(text) ? recordOf(text) : undefined;
      if (record === undefined) invalidLine = line.number;
      else {
        const { chain, seq, prev, time, signature } = record;
        found.set(seq, { chain, seq, prev, time, signature: String(signature), hash: hashOf(text) });
      }
      return invalidLine === undefined;
    });
    if (invalidLine !== undefined) return { file, line: invalidLine };
  }
  return [...found.values()].sort((a, b) => a.seq - b.seq);
}

function isCheckpoint(text: string): boolean {
  const head = headOf(text);
  if (head?.kind !== "checkpoint") return false;
  const { chain, seq, prev: hash } = head;
  return isCanonical(text, "checkpoint", prefixOf({ chain, seq: seq - 1, hash }).length);
}
