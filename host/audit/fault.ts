/**
 * TamperKind was done to a log, told from where its chain breaks and from what is behind the break. Everything is kept in constant memory:
 * two lines before the break, the one at it, and what was looked for behind it.
 */
import type { Head } from "./chain.ts";

export type TamperKind =
  | "changed"
  | "cut"
  | "inserted"
  | "reordered"
  | "duplicated"
  /** The last line of a file is not whole. */
  | "torn"
  /** It is not what exported checkpoints say. */
  | "rewritten"
  /** A checkpoint's signature is none of the key. */
  | "forged"
  /** More lines than a host leaves without a checkpoint. */
  | "unsigned";

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface Fault extends Place {
  readonly what: TamperKind;
  /** A sentence's end: what is wrong there. */
  readonly why: string;
}

/** A line that is read: its place, its hash, and its head where it has one. */
export interface SeenLine extends Place {
  readonly hash: string;
  readonly head: Head | undefined;
}

/** The last good line. */
export interface LastGoodLine extends Place {
  readonly chain: string | undefined;
  readonly seq: number;
  readonly hash: string;
  /** The hash of the line before it. */
  readonly prev: string;
}

/** The chain breaks between two lines. */
export class ChainBreak {
  readonly before: LastGoodLine;
  readonly at: SeenLine;
  /** Whether the line that should stand at the break stands further behind. */
  #wanted = false;
  /** Whether the line that stands before the one at the break should, stands further behind. */
  #predecessor = false;
  #next: SeenLine | undefined;

  constructor(before: LastGoodLine, at: SeenLine) {
    this.before = before;
    this.at = at;
  }

  /** A line behind the break. */
  see(line: SeenLine): void {
    this.#next ??= line;
    const { before, at } = this;
    if (line.head?.prev === before.hash && line.head.seq === before.seq + 1) this.#wanted = true;
    if (line.hash === at.head?.prev) this.#predecessor = true;
  }

  /** Whether some line names the hash of the last good one. */
  get confirms(): boolean {
    return this.#wanted || this.at.head?.prev === this.before.hash;
  }

  /** @param isEarlier whether a line with this hash stands before the break */
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
      return this.#wanted
        ? say("inserted", "it is no line of an audit log, and the one that belongs here is behind it")
        : say("changed", "it is no line of an audit log");
    if (at.hash === before.hash)
      return say("duplicated", `it is the line with sequence ${head.seq} once more`);
    if (head.prev === before.hash)
      return say("changed", `its sequence is ${head.seq}, the line before it has ${before.seq}`);
    if (head.chain !== before.chain)
      return say(
        "inserted",
        `it is of another log, whose chain is ${head.chain}, and the line before it of the chain ${before.chain}: verify the files of each chain by themselves`,
      );
    if (this.#wanted) {
      if (this.#predecessor)
        return say("reordered", `its sequence is ${head.seq}; the line with ${seq} comes only behind it`);
      if (head.seq < seq && isEarlier(at.hash))
        return say("duplicated", `it is the line with sequence ${head.seq} once more`);
      return say(
        "inserted",
        `the line before it is followed by another one, with sequence ${seq}, further behind`,
      );
    }
    if (head.prev === before.prev)
      return say(
        "inserted",
        `the line behind it, with sequence ${head.seq}, follows the one before it`,
        before,
      );
    if (head.seq > seq)
      return say("cut", `before it, the lines with sequences ${range(seq, head.seq - 1)} are missing`);
    if (head.seq < seq)
      return isEarlier(at.hash)
        ? say("duplicated", `it is the line with sequence ${head.seq} once more`)
        : say("inserted", `its sequence is ${head.seq}, the line before it has ${before.seq}`);
    // it names another line before it than the one that is there: one of the two is not what it was
    const next = this.#next?.head;
    if (next === undefined || next.prev === at.hash)
      return say("changed", "the line behind it names another hash of it", before);
    return say(
      "changed",
      "it names another hash of the line before it, and the line behind it another one of it",
    );
  }
}

function range(first: number, last: number): string {
  return first === last ? `${first}` : `${first} to ${last}`;
}
