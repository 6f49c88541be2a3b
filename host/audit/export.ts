/** Checkpoints alone: small, to be kept where whoever can write the log cannot write. */
import { isCanonical } from "./canonical.ts";
import { hashOf, headOf, prefixOf, recordOf } from "./chain.ts";
import { eachLine, headOfLine, sortBySequence, textOf } from "./lines.ts";

export interface ExportedCheckpoint {
  readonly chain: string;
  readonly seq: number;
  /** Of the whole line. */
  readonly hash: string;
  /** The hash of the line before it. */
  readonly prev: string;
  readonly time: string;
  readonly signature: string;
}

/** Gives each line of a checkpoint to `write`, and says how many there were. */
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
 * Reads exported checkpoints, by sequence.
 * @returns the number of the first line that is none, where there is one
 */
export function readCheckpoints(
  files: readonly string[],
): ExportedCheckpoint[] | { file: string; line: number } {
  const found = new Map<number, ExportedCheckpoint>();
  for (const file of files) {
    let wrong: number | undefined;
    eachLine(file, (line) => {
      const text = textOf(line);
      const record = line.isComplete && isCheckpoint(text) ? recordOf(text) : undefined;
      if (record === undefined) wrong = line.number;
      else {
        const { chain, seq, prev, time, signature } = record;
        found.set(seq, { chain, seq, prev, time, signature: String(signature), hash: hashOf(text) });
      }
      return wrong === undefined;
    });
    if (wrong !== undefined) return { file, line: wrong };
  }
  return [...found.values()].sort((a, b) => a.seq - b.seq);
}

function isCheckpoint(text: string): boolean {
  const head = headOf(text);
  if (head?.kind !== "checkpoint") return false;
  const { chain, seq, prev: hash } = head;
  return isCanonical(text, "checkpoint", prefixOf({ chain, seq: seq - 1, hash }).length);
}
