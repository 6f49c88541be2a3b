/** A check of the kit: a name, the clause that it tests, and a run that lists the faults it found. */
import type { Subject } from "./subject.ts";
import { type Trial, type Verdict, verdictOf } from "./verdict.ts";

export { eachOf, type Findings } from "./verdict.ts";

/** 0 admission, 1 messages, 2 contract, 3 scripted host, 4 live. */
export type Level = 0 | 1 | 2 | 3 | 4;

export interface Check extends Trial<Subject> {
  /** A name of the case in words joined by _, for a report that is compared with an earlier one. */
  readonly name: string;
  readonly level: Level;
  /** The section of docs/ABI.md. */
  readonly section: string;
}

export interface Result extends Verdict {
  readonly name: string;
  readonly level: Level;
  readonly section: string;
}

/** Runs a check. */
export async function runCheck(check: Check, subject: Subject): Promise<Result> {
  const { name, level, section } = check;
  return { name, level, section, ...(await verdictOf(check, subject)) };
}
