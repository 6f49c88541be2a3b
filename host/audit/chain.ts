/**
 * The chain: what a line begins with, and what the next line is. Every line names the SHA-256 of the whole line before it, so that
 * no line can be changed, cut, inserted or moved without one behind it being wrong.
 */
import { hash } from "node:crypto";
import pino from "pino";
import { KleidiError } from "../error.ts";
import { TIME } from "./fields.ts";
import { type Control, type Entry, encodeRecord, VERSION } from "./record.ts";

export const ZERO_HASH = "0".repeat(64);
/** No line has a higher sequence: near 2^53 adding one to a number no longer changes it. */
export const MOST_SEQ = 2 ** 52;
/** A host goes on behind no higher one: what somebody else wrote must not leave it without numbers. */
export const MOST_RESUMED = MOST_SEQ / 2;
/** So many lines may be missing in one gap; a host that writes 10000 lines a second takes three years for them. */
export const MOST_MISSING = 1e12;

/** Where a chain stands: behind this line. */
export interface Position {
  /** 16 hex digits, random. */
  readonly chain: string;
  /** Of the last line; 0 before the first one. */
  readonly seq: number;
  /** The hash of the last line. */
  readonly hash: string;
  /** Of the last line; undefined before the first one. */
  readonly time?: string | undefined;
}

/** One line, without its newline. All of it is ASCII, so that its length is its length in bytes. */
export interface Line {
  readonly seq: number;
  readonly text: string;
  readonly hash: string;
}

/** What every line begins with, always at the same places up to `seq`. */
export interface Head {
  readonly chain: string;
  readonly prev: string;
  readonly seq: number;
  readonly time: string;
  readonly kind: string;
}

export function hashOf(line: string | Uint8Array): string {
  return hash("sha256", line);
}

/** Makes lines, each behind the one before. */
export class Chain {
  #at: Position;
  #head = "";
  #line = "";
  /** pino writes the line; what is in front of the record's fields is put where pino has its level and time. */
  readonly #pino = pino(
    {
      base: undefined as unknown as null,
      timestamp: () => this.#head,
      formatters: { level: () => ({ v: VERSION }) },
    },
    {
      write: (line: string) => {
        this.#line = line;
      },
    },
  );

  constructor(at: Position) {
    this.#at = at;
  }

  get at(): Position {
    return this.#at;
  }

  /**
   * The chain stays where it is when it throws.
   * @throws TypeError, a field of the record is not what it should be
   * @throws KleidiError audit-failed, there is no sequence left
   */
  next(record: Entry | Control, time: string): Line {
    const fields = encodeRecord(record);
    const { chain, seq, hash: prev } = this.#at;
    if (seq >= MOST_SEQ)
      throw new KleidiError(
        "audit-failed",
        `Cannot audit: the last line has the sequence ${seq}, at most ${MOST_SEQ} are written. Move the log's files away and start the host again`,
      );
    this.#head = `,"chain":"${chain}","prev":"${prev}","seq":${seq + 1},"time":"${time}"`;
    this.#pino.info(fields);
    const text = this.#line.slice(0, -1);
    const line = { seq: seq + 1, text, hash: hashOf(text) };
    this.#at = { chain, seq: line.seq, hash: line.hash, time };
    return line;
  }
}

const HEAD =
  /^\{"v":1,"chain":"([0-9a-f]{16})","prev":"([0-9a-f]{64})","seq":([1-9][0-9]{0,15}),"time":"([0-9TZ:.-]{24})","kind":"([a-z_]{1,16})"[,}]/;
/** No head is longer. */
export const LONGEST_HEAD = 220;

/** The head of a line, or of its first bytes; undefined where it is no line of an audit log. */
export function headOf(text: string): Head | undefined {
  const found = HEAD.exec(text);
  if (found === null) return undefined;
  const [, chain = "", prev = "", digits = "", time = "", kind = ""] = found;
  const seq = Number(digits);
  return Number.isSafeInteger(seq) && TIME.test(time) ? { chain, prev, seq, time, kind } : undefined;
}

/** What a line begins with, up to its time's digits, behind a position. */
export function prefixOf({ chain, seq, hash: prev }: Position): string {
  return `{"v":${VERSION},"chain":"${chain}","prev":"${prev}","seq":${seq + 1},"time":"`;
}

const START = `{"v":${VERSION},"chain":"`;
const BETWEEN = '","prev":"';
const CHAIN_AT = START.length;
const PREV_AT = CHAIN_AT + 16 + BETWEEN.length;
const SEQ_AT = PREV_AT + ZERO_HASH.length;

/** Where the digits of a line's time begin, if it begins as the line behind a position must; undefined where it does not. */
export function timeOf(text: string, { chain, seq, hash: prev }: Position): number | undefined {
  // part by part: one text of all of them would be made for each line
  const behind = `","seq":${seq + 1},"time":"`;
  const follows =
    text.startsWith(prev, PREV_AT) &&
    text.startsWith(behind, SEQ_AT) &&
    text.startsWith(chain, CHAIN_AT) &&
    text.startsWith(START) &&
    text.startsWith(BETWEEN, CHAIN_AT + chain.length);
  return follows ? SEQ_AT + behind.length : undefined;
}

/** The record of a line; undefined where it cannot be read. */
export function recordOf(text: string): (Head & Readonly<Record<string, unknown>>) | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return headOf(text) && typeof value === "object" && value !== null ? (value as never) : undefined;
  } catch {
    return undefined;
  }
}
