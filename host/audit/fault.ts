/**
 * Classifies tampering with a log, from the place where its chain breaks and from the lines after the break. Memory is constant: two
 * lines before the break, the line at it, and the results of the search after it.
 */
import type { Head } from "./chain.ts";

export type TamperKind =
  | "changed"
  | "cut"
  | "inserted"
  | "reordered"
  | "duplicated"
  /** The last line of a file is incomplete. */
  | "torn"
  /** It differs from an exported checkpoint. */
  | "rewritten"
  /** The signature of a checkpoint is not valid for the key. */
  | "forged"
  /** More lines without a checkpoint than a host leaves. */
  | "unsigned";

export interface Place {
  readonly file: string;
  /** 1-based index. */
  readonly line: number;
}

export interface Fault extends Place {
  readonly what: TamperKind;
  /** The reason, as the end of a sentence. */
  readonly why: string;
}

/** A line that was read. `head` is undefined if it is not a line of an audit log. */
export interface SeenLine extends Place {
  readonly hash: string;
  readonly head: Head | undefined;
}

/** The last line before a break. */
interface LastGoodLine extends Place {
  readonly chain: string | undefined;
  readonly seq: number;
  readonly hash: string;
  /** The hash of the line before it. */
  readonly prev: string;
}

/** A break of the chain between two lines. */
export class ChainBreak {
  readonly before: LastGoodLine;
  readonly at: SeenLine;
  /** True if the line that belongs at the break comes later. */
  #hasExpected = false;
  /** True if the predecessor of the line at the break comes later. */
  #hasPredecessor = false;
  #next: SeenLine | undefined;

  constructor(before: LastGoodLine, at: SeenLine) {
    this.before = before;
    this.at = at;
  }

  /** Takes a line after the break. */
  see(line: SeenLine): void {
    this.#next ??= line;
    const { before, at } = this;
    if (line.head?.prev === before.hash && line.head.seq === before.seq + 1) this.#hasExpected = true;
    if (line.hash === at.head?.prev) this.#hasPredecessor = true;
  }

  /** True if a later line contains the hash of the last good line, which is then intact. */
  get confirmsLastGood(): boolean {
    return this.#hasExpected || this.at.head?.prev === this.before.hash;
  }

  /** @param isEarlier true if a line with this hash exists before the break */
  fault(isEarlier: (hash: string) => boolean): Fault {
    const { before, at } = this;
    const seq = before.seq + 1;
    const say = (what: TamperKind, why: string, place: Place = at): Fault => ({
      file: place.file,
      line: place.line,
      what,
      why,
    });
    const { head } = at;
    if (head === undefined)
      return this.#hasExpected
        ? say("inserted", "it is not a line of an audit log, and the line that belongs here comes later")
        : say("changed", "it is not a line of an audit log");
    if (at.hash === before.hash) return say("duplicated", `it repeats the line with sequence ${head.seq}`);
    if (head.prev === before.hash)
      return say("changed", `its sequence is ${head.seq}, the line before it has ${before.seq}`);
    if (head.chain !== before.chain)
      return say(
        "inserted",
        `it belongs to another log, with the chain ${head.chain}; the line before it has the chain ${before.chain}: verify the files of each chain separately`,
      );
    if (this.#hasExpected) {
      if (this.#hasPredecessor)
        return say("reordered", `its sequence is ${head.seq}; the line with sequence ${seq} comes after it`);
      if (head.seq < seq && isEarlier(at.hash))
        return say("duplicated", `it repeats the line with sequence ${head.seq}`);
      return say("inserted", `the line that follows the one before it, with sequence ${seq}, comes later`);
    }
    if (head.prev === before.prev)
      return say(
        "inserted",
        `the line after it, with sequence ${head.seq}, follows the one before it`,
        before,
      );
    if (head.seq > seq) return say("cut", `before it, ${missing(seq, head.seq - 1)} missing`);
    if (head.seq < seq)
      return isEarlier(at.hash)
        ? say("duplicated", `it repeats the line with sequence ${head.seq}`)
        : say("inserted", `its sequence is ${head.seq}, the line before it has ${before.seq}`);
    // its hash of the line before it differs: one of the two lines was changed
    const next = this.#next?.head;
    if (next === undefined || next.prev === at.hash)
      return say("changed", "the next line contains a different hash of it", before);
    return say(
      "changed",
      "it contains a different hash of the line before it, and the next line contains a different hash of it",
    );
  }
}

function missing(first: number, last: number): string {
  return first === last
    ? `the line with sequence ${first} is`
    : `the lines with sequences ${first} to ${last} are`;
}
