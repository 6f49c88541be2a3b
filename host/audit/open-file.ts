/** Opens the file of a log and finds the position from which its chain continues. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from "node:fs";
import { basename } from "node:path";
import { KleidiError } from "../error.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { statOf } from "../lib/write-files.ts";
import { linesBackward } from "./backward.ts";
import { hashOf, type Position } from "./chain.ts";
import type { Signer } from "./checkpoint.ts";
import { checkEnd, type EndCheck } from "./own-end.ts";
import { DEFAULT_RHYTHM, type Rhythm } from "./rhythm.ts";
import { type AsideFile, setAside } from "./sink/aside.ts";
import { Lock } from "./sink/lock.ts";
import { rotatedFiles } from "./sink/names.ts";
import { codeOf } from "./sink/output.ts";
import { assertFolder, assertOpenable, invalid, openFile } from "./sink/place.ts";
import { ChainFault, type End, endOf } from "./sink/resume.ts";
import { undoRotation } from "./sink/rotation.ts";

export interface OpenFile {
  readonly file: string;
  readonly descriptor: number;
  readonly lock: Lock;
  readonly end: End;
  /** Undefined if a new chain begins. */
  readonly at?: Position | undefined;
  /** The number of lines after the last checkpoint; 0 without a key. */
  readonly unsigned: number;
  /** The file that was not trusted and set aside. */
  readonly aside?: AsideFile | undefined;
}

/**
 * Opens the file and takes its lock. A log whose newest lines were moved away is set aside: continuing after the older lines would use
 * sequences twice. With a signer, a log that does not end as a host with this key left it is set aside too.
 * @throws KleidiError audit-invalid if the file cannot be continued
 */
export async function openLog(
  file: string,
  signer?: Signer,
  rhythm: Rhythm = DEFAULT_RHYTHM,
): Promise<OpenFile> {
  assertFolder(file);
  const lock = await withAuditError(file, () => Lock.take(file));
  try {
    return await withAuditError(file, () => ({ file, lock, ...opened(file, signer, rhythm) }));
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Checks that `openLog` can open and continue the file, beside a host that may write to it. Changes nothing.
 * @param isSigned with a signer, a file that cannot be continued is set aside and refuses nothing
 * @throws KleidiError audit-invalid
 */
export function assertContinues(file: string, isSigned: boolean): void {
  assertOpenable(file);
  if (isSigned || statOf(file) === undefined) return;
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    readEnd(file, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

type Opened = Omit<OpenFile, "file" | "lock">;
const UNJUDGED: EndCheck = { why: undefined, unsigned: 0 };

function opened(file: string, signer: Signer | undefined, rhythm: Rhythm): Opened {
  undoRotation(file);
  const descriptor = openFile(file);
  let judged: EndCheck;
  let isEmpty: boolean;
  try {
    judged = checkMovedAway(file, descriptor) ?? judge(file, descriptor, signer, rhythm);
    if (judged.why === undefined)
      return { descriptor, ...continued(file, descriptor), unsigned: judged.unsigned };
    isEmpty = fstatSync(descriptor).size === 0;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  closeSync(descriptor);
  const aside = { aside: setAside(file, isEmpty), why: judged.why, last: judged.last };
  return { descriptor: openFile(file), end: { size: 0, first: 0 }, unsigned: 0, aside };
}

function continued(file: string, descriptor: number): Pick<OpenFile, "end" | "at"> {
  const end = readEnd(file, descriptor);
  // A torn line was never acknowledged: a line is acknowledged once it is completely written.
  if (end.torn !== undefined) ftruncateSync(descriptor, end.size);
  return { end, at: end.last };
}

/** A host never leaves a rotated file beside a file without lines (sink/rotation.ts): then the newest lines were moved away. */
function checkMovedAway(file: string, descriptor: number): EndCheck | undefined {
  const older = rotatedFiles(file).toReversed();
  const [newest] = older;
  if (newest === undefined) return undefined;
  try {
    if (endOf(descriptor).last !== undefined) return undefined;
  } catch (error) {
    if (error instanceof ChainFault) return undefined;
    throw error;
  }
  const why = `it is missing or has no line, but ${basename(newest)} exists: its lines were moved away or removed`;
  try {
    const [line] = linesOf(descriptor, older);
    return { why, unsigned: 0, last: line === undefined ? undefined : hashOf(line) };
  } catch (error) {
    if (!(error instanceof ChainFault)) throw error;
    return { why: `${why}; ${error.message}`, unsigned: 0 };
  }
}

function judge(file: string, descriptor: number, signer: Signer | undefined, rhythm: Rhythm): EndCheck {
  if (signer === undefined) return UNJUDGED;
  const older = rotatedFiles(file).toReversed();
  try {
    if (endOf(descriptor).last === undefined) return UNJUDGED;
    return checkEnd(linesOf(descriptor, older), signer.publicKey, rhythm);
  } catch (error) {
    if (!(error instanceof ChainFault)) throw error;
    return { why: error.message, unsigned: 0 };
  }
}

/** @throws ChainFault */
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

/** Anything can have the name of a rotated file: a pipe must not block the host, and a link is not followed. @throws ChainFault */
function openRotated(file: string): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    throw new ChainFault(`${file} cannot be read (${codeOf(error)})`);
  }
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw new ChainFault(`${file} is not a regular file`);
}

async function withAuditError<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KleidiError) throw error;
    if (error instanceof ChainFault) throw invalid("audit-invalid/changed", file, error.message);
    throw invalid("audit-invalid/path", file, pathErrorText(file, error, "create"), error);
  }
}

/** @throws KleidiError audit-invalid if the chain cannot be continued; a new chain never replaces it */
function readEnd(file: string, descriptor: number): End {
  try {
    return endOf(descriptor);
  } catch (error) {
    if (!(error instanceof ChainFault)) throw error;
    throw invalid(
      "audit-invalid/changed",
      file,
      `${error.message}. Find the changed line: kleidi audit verify ${file}`,
    );
  }
}
