/** What is said of one place of a document, and what a rule needs of the document to say it. */
import type { Path } from "./text.ts";

/** No text in it holds more than 60 characters of the file's, and none of an unknown key's value. */
export interface Fault {
  /** Counted from 1; 0 when the fault is of the file itself, not of a line in it. */
  readonly line: number;
  /** Counted from 1 in UTF-16 units; 0 with line 0. */
  readonly column: number;
  /** Where in the document, as in `keys[0].name`; empty for the document as a whole. */
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
  /** A clause that follows a semicolon: `write: ` and a line of YAML, or what to do. */
  readonly remedy: string;
}

/** A fault without its place. */
export type Says = Pick<Fault, "expected" | "actual" | "remedy">;

/** A document, as far as a rule looks at it. */
export interface Places {
  /**
   * A fault of what is at a path; of its key with `at` "key".
   * @param says without `actual`, the fault says what is there
   */
  fault(path: Path, says: Omit<Says, "actual"> & { actual?: string }, at?: "key" | "value"): Fault;
  /** The line, from 1, of a path's key. */
  lineOf(path: Path): number;
}
