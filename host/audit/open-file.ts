/** The file of a log and where its chain goes on: in the file, in the newest rotated one, or nowhere yet. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { KleidiError } from "../error.ts";
import type { Position } from "./chain.ts";
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
  /** Whether the file begins anew and continues a rotated one. */
  readonly resumed: boolean;
}

/** @throws KleidiError audit-invalid, what is there cannot be continued */
export async function openLog(file: string): Promise<OpenFile> {
  assertFolder(file);
  const lock = await refused(file, () => Lock.take(file));
  try {
    return await refused(file, () => {
      const descriptor = openFile(file);
      try {
        return { descriptor, lock, ...continued(file, descriptor) };
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    });
  } catch (error) {
    lock.release();
    throw error;
  }
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

async function refused<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KleidiError) throw error;
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
  const descriptor = openSync(file, "r");
  try {
    const { last } = readEnd(file, descriptor);
    if (last === undefined)
      throw invalid(file, "it is empty, and its name says that the log goes on from it");
    return last;
  } finally {
    closeSync(descriptor);
  }
}
