/** Finds the end of an existing file: the line that the next one is chained to, and a partial line that a crash left. */
import { fstatSync } from "node:fs";
import { readAt } from "../../lib/files.ts";
import {
  type Head,
  hashOf,
  headOf,
  LONGEST_HEAD,
  MOST_MISSING,
  MOST_RESUMED,
  type Position,
  recordOf,
} from "../chain.ts";
import { LONGEST_LINE } from "../record.ts";

/** The number of bytes at the end that are checked: always several lines. */
const WINDOW = 16 * LONGEST_LINE;
const NEWLINE = 10;

export interface End {
  /** The size of the complete lines in bytes. */
  readonly size: number;
  /** Undefined in a file without a complete line. */
  readonly last?: Position | undefined;
  /** The sequence of the file's first line. */
  readonly first: number;
  readonly torn?: { readonly bytes: number; readonly sha256: string } | undefined;
}

/** The last lines of a file are not a valid chain. `message` is the end of a sentence. */
export class ChainFault extends Error {}

/** @throws ChainFault if the last lines are not a valid chain: they were changed, or the file is not an audit log */
export function endOf(descriptor: number): End {
  const { size } = fstatSync(descriptor);
  const from = Math.max(0, size - WINDOW);
  const window = readAt(descriptor, from, size - from);
  const cut = tornAt(window);
  const torn = window.subarray(cut);
  const lines = wholeLines(window.subarray(0, cut), from === 0);
  const last = lastOf(lines);
  if (last === undefined && from + cut > 0)
    throw new ChainFault("its last lines are not lines of an audit log");
  const first = headOf(readAt(descriptor, 0, Math.min(size, LONGEST_HEAD)).toString("latin1"));
  if (last !== undefined && first === undefined)
    throw new ChainFault("its first line is not a line of an audit log");
  return {
    size: from + cut,
    last,
    first: first?.seq ?? 0,
    torn: torn.length === 0 ? undefined : { bytes: torn.length, sha256: hashOf(torn) },
  };
}

/**
 * Returns where the torn end begins: after the last newline. After a power loss a file can also end in zero bytes, if its length reached
 * the disk before its content.
 */
function tornAt(window: Buffer): number {
  let end = window.length;
  while (end > 0 && window[end - 1] === 0) end -= 1;
  return window.subarray(0, end).lastIndexOf(NEWLINE) + 1;
}

function wholeLines(bytes: Buffer, fromStart: boolean): string[] {
  const lines = bytes.toString("latin1").split("\n").slice(0, -1);
  return fromStart ? lines : lines.slice(1);
}

function lastOf(lines: readonly string[]): Position | undefined {
  let before: { head: Head; hash: string } | undefined;
  for (const line of lines) {
    const head = headOf(line);
    if (head === undefined) throw new ChainFault("one of its last lines is not a line of an audit log");
    if (before !== undefined && !follows(before, head, line))
      throw new ChainFault(`its line with sequence ${head.seq} does not follow the one before it`);
    before = { head, hash: hashOf(line) };
  }
  if (before === undefined) return undefined;
  // the hash in the next line proves a line; the last line has no next one
  if (recordOf(lines.at(-1) ?? "") === undefined) throw new ChainFault("its last line is not JSON");
  const { chain, seq, time } = before.head;
  if (seq > MOST_RESUMED)
    throw new ChainFault(
      `its last line has the sequence ${seq}, a host continues after at most ${MOST_RESUMED}`,
    );
  return { chain, seq, time, hash: before.hash };
}

function follows(before: { head: Head; hash: string }, head: Head, line: string): boolean {
  if (head.chain !== before.head.chain) return false;
  if (head.prev === before.hash) return head.seq === before.head.seq + 1;
  // missing lines must be declared
  const isBounded = head.seq - before.head.seq - 1 <= MOST_MISSING;
  return isBounded && recordOf(line)?.last === before.hash && head.kind === "gap";
}
