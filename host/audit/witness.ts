/** Requests to a witness (https://c2sp.org/tlog-witness): the note, with the proof that its tree extends the one the witness saw last. */
import { eachLine, sortBySequence } from "./lines.ts";
import type { TreeHead } from "./note.ts";
import { consistencyRanges, Tree } from "./tree.ts";

/**
 * Creates the body of an add-checkpoint request.
 * @param files all files of a verified log
 * @param old the size of the tree that the witness signed last; 0 if it signed none
 */
export function witnessRequest(
  files: readonly string[],
  old: number,
  { size }: TreeHead,
  note: string,
): string {
  const proof = consistencyProof(files, old, size).map((root) => `${root.toString("base64")}\n`);
  return `old ${old}\n${proof.join("")}\n${note}`;
}

function consistencyProof(files: readonly string[], old: number, size: number): Buffer[] {
  const parts = consistencyRanges(old, size).map((range) => ({ ...range, tree: new Tree() }));
  let index = 0;
  for (const file of sortBySequence(files))
    eachLine(file, ({ buffer, start, end }) => {
      for (const { from, to, tree } of parts)
        if (from <= index && index < to) tree.add(buffer.subarray(start, end));
      index += 1;
      return index < size;
    });
  return parts.map(({ tree }) => tree.root());
}
