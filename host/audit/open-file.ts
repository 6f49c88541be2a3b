/** The file of a log and where its chain goes on: in the file, in the newest rotated one, or nowhere yet. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from "node:fs";
import { KleidiError } from "../error.ts";
import { linesBackward } from "./backward.ts";
import type { Position } from "./chain.ts";
import type { Signer } from "./checkpoint.ts";
import { type OwnEnd, ownEnd } from "./own-end.ts";
import { DEFAULT_RHYTHM, type Rhythm } from "./rhythm.ts";
import { type Aside, setAside } from "./sink/aside.ts";
import { Lock } from "./sink/lock.ts";
import { rotatedFiles } from "./sink/names.ts";
import { codeOf } from "./sink/output.ts";
import { assertFolder, invalid, openFile } from "./sink/place.ts";
import { type End, endOf, Unchained } from "./sink/resume.ts";

export interface OpenFile {
  readonly descriptor: number;
  readonly lock: Lock;
  readonly end: End;
  /** Undefined where a new chain begins. */
  readonly at?: Position | undefined;
  /** Whether the file begins again and continues a rotated one. */
  readonly resumed: boolean;
  /** How many lines are behind the last checkpoint; 0 without a key. */
  readonly unsigned: number;
  /** What was there and was not trusted. */
  readonly aside?: Aside | undefined;
}

/**
 * With a signer, a log that does not end as a host with its key left it is set aside; without one there is nothing to tell by.
 * @throws KleidiError audit-invalid, what is there cannot be continued
 */
export async function openLog(
  file: string,
  signer?: Signer,
  rhythm: Rhythm = DEFAULT_RHYTHM,
): Promise<OpenFile> {
  assertFolder(file);
  const lock = await refused(file, () => Lock.take(file));
  try {
    return await refused(file, () => ({ lock, ...opened(file, signer, rhythm) }));
  } catch (error) {
    lock.release();
    throw error;
  }
}

type Opened = Omit<OpenFile, "lock">;
const UNJUDGED: OwnEnd = { why: undefined, unsigned: 0 };

function opened(file: string, signer: Signer | undefined, rhythm: Rhythm): Opened {
  const descriptor = openFile(file);
  let judged: OwnEnd;
  let isEmpty: boolean;
  try {
    judged = signer === undefined ? UNJUDGED : judge(file, descriptor, signer, rhythm);
    if (judged.why === undefined)
      return { descriptor, ...continued(file, descriptor), unsigned: judged.unsigned };
    isEmpty = fstatSync(descriptor).size === 0;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  closeSync(descriptor);
  const aside = { aside: setAside(file, isEmpty), why: judged.why, last: judged.last };
  return { descriptor: openFile(file), end: { size: 0, first: 0 }, resumed: false, unsigned: 0, aside };
}

function continued(file: string, descriptor: number): Pick<OpenFile, "end" | "at" | "resumed"> {
  const end = readEnd(file, descriptor);
  // What is torn was never acknowledged: a line is, once it is written whole.
  if (end.torn !== undefined) ftruncateSync(descriptor, end.size);
  if (end.last !== undefined) return { end, at: end.last, resumed: false };
  // the host may have ended between giving the old file its name and making the new one
  const before = rotatedFiles(file).at(-1);
  const at = before === undefined ? undefined : lastOf(before);
  return { end, at, resumed: at !== undefined };
}

function judge(file: string, descriptor: number, { publicKey }: Signer, rhythm: Rhythm): OwnEnd {
  const older = rotatedFiles(file).toReversed();
  try {
    const { last } = endOf(descriptor);
    if (last === undefined && older.length === 0) return UNJUDGED;
    return ownEnd(linesOf(descriptor, older), publicKey, rhythm);
  } catch (error) {
    if (!(error instanceof Unchained)) throw error;
    return { why: error.message, unsigned: 0 };
  }
}

/** @throws Unchained */
function* linesOf(descriptor: number, older: readonly string[]): Generator<string> {
  yield* linesBackward(descriptor, endOf(descriptor).size);
  for (const file of older) {
    const rotated = openRotated(file);
    try {
      yield* linesBackward(rotated, endOf(rotated).size);
    } finally {
      closeSync(rotated);
    }
  }
}

/** Anything may have the name of a rotated file: a pipe must not hold the host, nor a link lead it elsewhere. @throws Unchained */
function openRotated(file: string): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    throw new Unchained(`${file} cannot be read (${codeOf(error)})`);
  }
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw new Unchained(`${file} is not a regular file`);
}

async function refused<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KleidiError) throw error;
    if (error instanceof Unchained) throw invalid(file, error.message);
    throw invalid(file, `the system refuses it (${codeOf(error)})`, error);
  }
}

/** @throws KleidiError audit-invalid. A new chain is never begun over what cannot be continued. */
function readEnd(file: string, descriptor: number): End {
  try {
    return endOf(descriptor);
  } catch (error) {
    if (!(error instanceof Unchained)) throw error;
    throw invalid(file, `${error.message}. Find out who changed it: kleidi audit verify ${file}`);
  }
}

function lastOf(file: string): Position {
  const descriptor = openRotated(file);
  try {
    const { last } = readEnd(file, descriptor);
    if (last === undefined)
      throw invalid(file, "it is empty, and its name says that the log goes on from it");
    return last;
  } finally {
    closeSync(descriptor);
  }
}
