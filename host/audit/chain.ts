/**
 * The hash chain. Every line contains the SHA-256 of the whole line before it, so a changed, removed, inserted or moved line
 * invalidates the line after it.
 */
import { hash } from "node:crypto";
import { KleidiError } from "../error.ts";
import { TIME } from "./fields.ts";
import { type Control, type Entry, encodeRecord, VERSION } from "./record.ts";

export const ZERO_HASH = "0".repeat(64);
/** The highest sequence: near 2^53, adding 1 to a number no longer changes it. */
export const MOST_SEQ = 2 ** 52;
/** The highest sequence that a host continues after: a forged line must not exhaust the sequences. */
export const MOST_RESUMED = MOST_SEQ / 2;
/** The maximum number of lines missing in one gap: three years at 10000 lines per second. */
export const MOST_MISSING = 1e12;

/** A position in a chain: after its last line. */
export interface Position {
  /** 16 hex digits, random. */
  readonly chain: string;
  /** The sequence of the last line; 0 before the first one. */
  readonly seq: number;
  /** The hash of the last line. */
  readonly hash: string;
  /** The time of the last line; undefined before the first one. */
  readonly time?: string | undefined;
}

/** One line, without its newline. It is ASCII, so its length is its number of bytes. */
export interface Line {
  readonly seq: number;
  readonly text: string;
  readonly hash: string;
}

/** The fields at the beginning of every line, at fixed positions up to `seq`. */
export interface Head {
  readonly chain: string;
  readonly prev: string;
  readonly seq: number;
  readonly time: string;
  readonly kind: string;
}

/** @returns the SHA-256 in hex */
export function hashOf(line: string | Uint8Array): string {
  return hash("sha256", line);
}

/** Creates the lines of a chain. */
export class Chain {
  #at: Position;

  constructor(at: Position) {
    this.#at = at;
  }

  get at(): Position {
    return this.#at;
  }

  /**
   * Creates the next line. If it throws, the position is unchanged.
   * @param time ISO 8601 in UTC, with milliseconds
   * @throws TypeError if a field of the record is invalid
   * @throws KleidiError audit-failed if there is no sequence left
   */
  next(record: Entry | Control, time: string): Line {
    const fields = encodeRecord(record);
    const { chain, seq } = this.#at;
    if (seq >= MOST_SEQ)
      throw new KleidiError(
        "audit-failed/ended",
        `Cannot audit: the last line has the sequence ${seq}, at most ${MOST_SEQ} is allowed. Move the log's files away and restart the host`,
      );
    // The fields are ASCII in their order, so JSON.stringify gives the canonical form (canonical.ts).
    const text = `${prefixOf(this.#at)}${time}",${JSON.stringify(fields).slice(1)}`;
    const line = { seq: seq + 1, text, hash: hashOf(text) };
    this.#at = { chain, seq: line.seq, hash: line.hash, time };
    return line;
  }
}

const HEAD =
  /^\{"v":1,"chain":"([0-9a-f]{16})","prev":"([0-9a-f]{64})","seq":([1-9][0-9]{0,15}),"time":"([0-9TZ:.-]{24})","kind":"([a-z_]{1,16})"[,}]/;
/** The maximum length of a head. */
export const LONGEST_HEAD = 220;

/** Parses the head of a line, or of its first bytes; undefined if it is not a line of an audit log. */
export function headOf(text: string): Head | undefined {
  const found = HEAD.exec(text);
  if (found === null) return undefined;
  const [, chain = "", prev = "", digits = "", time = "", kind = ""] = found;
  const seq = Number(digits);
  return Number.isSafeInteger(seq) && TIME.test(time) ? { chain, prev, seq, time, kind } : undefined;
}

/** Returns the text with which the line after a position begins, up to the digits of its time. */
export function prefixOf({ chain, seq, hash: prev }: Position): string {
  return `{"v":${VERSION},"chain":"${chain}","prev":"${prev}","seq":${seq + 1},"time":"`;
}

const START = `{"v":${VERSION},"chain":"`;
const BETWEEN = '","prev":"';
const CHAIN_AT = START.length;
const PREV_AT = CHAIN_AT + 16 + BETWEEN.length;
const SEQ_AT = PREV_AT + ZERO_HASH.length;

/** Returns the index of the first digit of a line's time; undefined if the line does not follow the position. */
export function timeOf(text: string, { chain, seq, hash: prev }: Position): number | undefined {
  // compared in parts: concatenating them would allocate a text for each line
  const behind = `","seq":${seq + 1},"time":"`;
  const follows =
    text.startsWith(prev, PREV_AT) &&
    text.startsWith(behind, SEQ_AT) &&
    text.startsWith(chain, CHAIN_AT) &&
    text.startsWith(START) &&
    text.startsWith(BETWEEN, CHAIN_AT + chain.length);
  return follows ? SEQ_AT + behind.length : undefined;
}

/** Parses the record of a line; undefined if it is not a valid record. */
export function recordOf(text: string): (Head & Readonly<Record<string, unknown>>) | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return headOf(text) && typeof value === "object" && value !== null ? (value as never) : undefined;
  } catch {
    return undefined;
  }
}
