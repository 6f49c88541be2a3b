/**
 * The file of the history, and its marks. A mark is a file with the number and the checksum of the last record, in each folder of keys and
 * beside the history: a history that was cut, removed or restored from an older backup lacks the record that a mark names.
 *
 * Each write replaces the whole file, so an interrupted one leaves the file as it was. The marks follow: a mark may be behind.
 */
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { isStagingOf, removeLeftovers, replaceAs, statOf } from "../lib/write-files.ts";
import { type HistoryEvent, type HistoryRecord, type Line, lineOf, parseLines } from "./record.ts";

/** A record has less than 1 KiB, and a rotation four of them. */
const MAX_FILE = 4 << 20;
const MAX_MARK = 256;
const FORMAT = "kleidi-history-1";
const MARK = new RegExp(`^${FORMAT} ([1-9][0-9]{0,14}) ([0-9a-f]{64})\\n$`);

export interface HistoryPlace {
  /** The configuration, without links: owner and mode of the history are its own. */
  readonly config: string;
  readonly file: string;
  readonly marks: readonly string[];
}

export interface History {
  readonly place: HistoryPlace;
  readonly lines: readonly Line[];
  /** The reason why the history cannot be trusted, as a sentence. `lines` has the records that can be read. */
  readonly fault?: string;
  /** The largest number of a record that existed. */
  readonly last: number;
}

/** @returns the files of the history: beside the configuration, whatever its sections are, so that a move to another KMS keeps it */
export function placeOf({
  file,
  keystore,
  state,
}: Pick<Config, "file" | "keystore" | "state">): HistoryPlace {
  const config = realPath(file);
  const stem = basename(config).replace(/\.(ya?ml|json)$/, "");
  const folders = [dirname(config), keystore?.directory, state?.directory].flatMap((folder) =>
    folder === undefined ? [] : [realPath(folder)],
  );
  return {
    config,
    file: join(dirname(config), `${stem}.history.jsonl`),
    marks: [...new Set(folders)].map((folder) => join(folder, `${stem}.history.mark`)),
  };
}

export function recordsOf({ lines }: History): HistoryRecord[] {
  return lines.map(({ record }) => record);
}

/**
 * Reads the history and compares it with its marks. No file and no mark: an empty history without a fault.
 * @throws KleidiError history-invalid, a file cannot be read
 */
export function readHistory(place: HistoryPlace): History {
  const text = read(place.file, MAX_FILE);
  const { lines, fault } = text === undefined ? { lines: [], fault: undefined } : parseLines(text);
  const marks = place.marks.flatMap((path) => {
    const mark = read(path, MAX_MARK);
    return mark === undefined ? [] : [{ path, ...markOf(path, mark) }];
  });
  const last = Math.max(lines.at(-1)?.record.seq ?? 0, ...marks.map(({ seq }) => seq));
  const wrong =
    fault === undefined
      ? marks.map((mark) => faultOf(mark, lines)).find((each) => each !== undefined)
      : `The history ${place.file} ${fault}`;
  return { place, lines, last, ...(wrong === undefined ? {} : { fault: wrong }) };
}

/**
 * Appends events. The caller holds the lock of the folder.
 * @returns the history with them
 * @throws KleidiError history-invalid; the system's error
 */
export function appendHistory(history: History, events: readonly HistoryEvent[], now: number): History {
  const { place } = history;
  const lines = [...history.lines];
  for (const event of events) {
    // Not below the marks after a loss: a mark never goes back.
    const seq = event.event === "recover" ? history.last + 1 : (lines.at(-1)?.record.seq ?? 0) + 1;
    lines.push(lineOf({ seq, at: new Date(now).toISOString(), ...event }, lines.at(-1)?.sha256 ?? ""));
  }
  const last = lines.at(-1);
  if (last === undefined) return history;
  replaceAs(place.file, lines.map(({ text }) => `${text}\n`).join(""), place.config);
  for (const mark of place.marks) writeMark(mark, last);
  return { place, lines, last: last.record.seq };
}

/** Reads a history as it is. @throws KleidiError history-invalid */
export function readText(path: string): string {
  return read(path, MAX_FILE) ?? "";
}

/** Removes what killed processes left in the folders of the history. The caller holds the lock. */
export function tidyHistory({ file, marks }: HistoryPlace): void {
  for (const path of [file, ...marks]) {
    if (statOf(dirname(path)) !== undefined) removeLeftovers(dirname(path), isStagingOf([basename(path)]));
  }
}

/** A folder that does not exist has no mark: the host never creates one. */
function writeMark(path: string, { record, sha256 }: Line): void {
  if (statOf(dirname(path)) === undefined) return;
  replaceAs(path, `${FORMAT} ${record.seq} ${sha256}\n`, dirname(path), 0o644);
}

interface Mark {
  readonly path: string;
  readonly seq: number;
  readonly sha256: string;
}

function markOf(path: string, text: string): Omit<Mark, "path"> {
  const [, seq = "", sha256 = ""] = MARK.exec(text) ?? [];
  if (seq === "")
    throw invalid(`${path} is not a mark of a history; remove it after you compared the history`);
  return { seq: Number(seq), sha256 };
}

function faultOf({ path, seq, sha256 }: Mark, lines: readonly Line[]): string | undefined {
  const last = lines.at(-1)?.record.seq ?? 0;
  const same = lines.find(({ record }) => record.seq === seq);
  // A recovery, which comes after every mark of its time, was interrupted before it wrote this one.
  const isRecovered = lines.some(({ record }) => record.event === "recover" && record.seq > seq);
  if (same?.sha256 === sha256 || isRecovered) return undefined;
  const has = last === 0 ? "The history is missing" : `The history ends at record ${last}`;
  if (seq > last)
    return `${has}, and ${path} names record ${seq}: it was cut, removed or restored from an older backup`;
  return `Record ${seq} of the history is not the one that ${path} names: it is the history of another time or of another node`;
}

function read(path: string, maxBytes: number): string | undefined {
  const bytes = readRegular(path, maxBytes);
  if (!(bytes instanceof FileFault)) return bytes.toString("utf8");
  if (bytes.kind === "missing") return undefined;
  throw invalid(`${path} ${bytes.text}`, bytes.cause);
}

function invalid(what: string, cause?: unknown): KleidiError {
  return new KleidiError("history-invalid/unreadable", `Cannot read the history of the keys: ${what}`, cause);
}

/** Follows links: a file behind a link is replaced, and not the link. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
