/**
 * Checks that a log ends as a host with this key left it: with a checkpoint of this key, and no more lines after it than the host leaves
 * unsigned. An attacker without the key can rewrite the whole file; a host that continued it would sign the forgery.
 */
import type { KeyObject } from "node:crypto";
import { isCanonical } from "./canonical.ts";
import { type Head, hashOf, headOf, MOST_MISSING, prefixOf, recordOf } from "./chain.ts";
import { isSigned, keyIdOf } from "./checkpoint.ts";
import {
  claimOf,
  DEFAULT_RHYTHM,
  LONGEST_RHYTHM,
  OWN_LINES,
  type Rhythm,
  SHORTEST_RHYTHM,
  UnsignedLines,
} from "./rhythm.ts";

/** The maximum number of bytes in which the claim of the rhythm before the checkpoint is searched. */
const SEARCHED = 33_554_432;

export interface EndCheck {
  /** The reason why the log is not trusted; undefined if it is the host's own. */
  readonly why: string | undefined;
  /** The number of lines after the last checkpoint. */
  readonly unsigned: number;
  /** The hash of the last line. */
  readonly last?: string | undefined;
}

/**
 * @param lines the lines of all files, the last one first
 * @param publicKey the key of this host
 * @param rhythm the rhythm of this host, used if the log claims none
 */
export function checkEnd(lines: Iterable<string>, publicKey: KeyObject, rhythm: Rhythm): EndCheck {
  const reader = new Reader(publicKey);
  for (const line of lines) if (!reader.line(line)) break;
  return { why: reader.why(rhythm), unsigned: reader.unsigned, last: reader.last };
}

type LogRecord = Head & Readonly<Record<string, unknown>>;

class Reader {
  readonly #publicKey: KeyObject;
  readonly #key: string;
  /** The lines after the checkpoint, the last one first. */
  readonly #tail: {
    readonly seq: number;
    readonly kind: string;
    readonly ms: number;
    readonly backMs: number;
  }[] = [];
  /** The sequences of records before which lines are missing. */
  readonly #missedFrom = new Set<number>();
  #next: { readonly head: Head; readonly text: string } | undefined;
  #signed = false;
  #bytes = 0;
  #claim: Rhythm | undefined;
  #why: string | undefined;
  last: string | undefined;

  constructor(publicKey: KeyObject) {
    this.#publicKey = publicKey;
    this.#key = keyIdOf(publicKey);
  }

  get unsigned(): number {
    return this.#tail.length;
  }

  why(rhythm: Rhythm): string | undefined {
    if (this.#why !== undefined) return this.#why;
    // a host can be killed before its first checkpoint, in its first file or in a new one after the older ones were moved away
    if (!this.#signed)
      return this.#tail.length > OWN_LINES
        ? `it has ${this.#tail.length} lines and no checkpoint`
        : undefined;
    const most = this.#claim ?? {
      lines: Math.max(rhythm.lines, DEFAULT_RHYTHM.lines),
      intervalMs: Math.max(rhythm.intervalMs, DEFAULT_RHYTHM.intervalMs),
    };
    return this.#exceeds(most) ? this.#tooMany() : undefined;
  }

  /** Takes the line before the previous one. @returns false to stop reading */
  line(text: string): boolean {
    this.#bytes += text.length + 1;
    const head = headOf(text);
    const hash = hashOf(text);
    this.last ??= hash;
    const follows = head !== undefined && (this.#next === undefined || precedes(head, hash, this.#next));
    // before the checkpoint only the claim is searched: verify checks those lines, and they may belong to another log
    if (!follows && this.#signed) return false;
    if (head === undefined) return this.#stop("one of its lines is not a line of an audit log");
    if (!follows)
      return this.#stop(`its line with sequence ${this.#next?.head.seq} does not follow the one before it`);
    // the lines that the file missed follow this line
    if (this.#next !== undefined && this.#next.head.seq > head.seq + 1)
      this.#missedFrom.add(this.#next.head.seq);
    this.#next = { head, text };
    if (this.#signed) return this.#search(head, text);
    return head.kind === "checkpoint" ? this.#checkpoint(head, text) : this.#unsignedLine(head, text);
  }

  #stop(why: string): false {
    this.#why = why;
    return false;
  }

  #unsignedLine(head: Head, text: string): boolean {
    const { kind, time, seq } = head;
    if (!isWritten(head, text))
      return this.#stop(`its line with sequence ${seq} is not in the canonical form`);
    const backMs = kind === "clock" ? Number(recordOf(text)?.back_ms) : 0;
    this.#tail.push({ seq, kind, ms: Date.parse(time), backMs });
    if (this.#tail.length > LONGEST_RHYTHM.lines + OWN_LINES) return this.#stop(this.#tooMany());
    return seq > 1;
  }

  #checkpoint(head: Head, text: string): boolean {
    const record = recordOf(text);
    const { chain, seq, prev: hash, time } = head;
    const at = { chain, seq: seq - 1, hash };
    if (record?.key !== this.#key)
      return this.#stop(
        `its last checkpoint is signed with the key ${String(record?.key)}, not with this host's key ${this.#key}`,
      );
    if (!isWritten(head, text) || !isSigned(this.#publicKey, at, time, record.signature))
      return this.#stop(
        `the signature of its last checkpoint, with sequence ${seq}, is not valid for this host's key`,
      );
    this.#signed = true;
    // lines that keep the shortest rhythm keep every other one
    return this.#exceeds(SHORTEST_RHYTHM);
  }

  /** Searches the last claim that the checkpoint covers. @returns false to stop reading */
  #search({ kind }: Head, text: string): boolean {
    if (kind === "start" || kind === "rhythm") {
      this.#claim = claimOf(recordOf(text) as LogRecord | undefined);
      // also if it claims none: earlier claims belong to another run
      return false;
    }
    return this.#bytes < SEARCHED;
  }

  #exceeds(rhythm: Rhythm): boolean {
    const unsigned = new UnsignedLines();
    for (const { seq, kind, ms, backMs } of this.#tail.toReversed()) {
      if (this.#missedFrom.has(seq)) unsigned.missed();
      unsigned.add(kind, ms, backMs);
      if (unsigned.exceeds(rhythm)) return true;
    }
    return false;
  }

  #tooMany(): string {
    return `its last ${this.#tail.length} lines have no checkpoint: this host leaves fewer lines, or lines over a shorter time, unsigned`;
  }
}

/** True if a line directly precedes the next one, or precedes the lines that the next one declares missing. */
function precedes(head: Head, hash: string, next: { readonly head: Head; readonly text: string }): boolean {
  if (next.head.chain !== head.chain) return false;
  const ahead = next.head.seq - head.seq;
  if (next.head.prev === hash) return ahead === 1;
  if (ahead - 1 > MOST_MISSING) return false;
  return next.head.kind === "gap" && ahead > 1 && recordOf(next.text)?.last === hash;
}

function isWritten({ chain, seq, prev: hash, kind }: Head, text: string): boolean {
  return isCanonical(text, kind, prefixOf({ chain, seq: seq - 1, hash }).length);
}
