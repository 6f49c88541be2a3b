/** A fault at one place of a document, and the part of a document that a rule needs to report one. */
import type { Path } from "./text.ts";

/** A fault at one place. Its texts quote at most 60 characters of the file, and nothing of the value of an unknown key. */
export interface Fault {
  /** 1-based; 0 if the fault concerns the file itself and not one of its lines. */
  readonly line: number;
  /** 1-based, in UTF-16 units; 0 if `line` is 0. */
  readonly column: number;
  /** The path in the document, for example `keys[0].name`; empty for the whole document. */
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
  /** The correction, a clause that follows a semicolon: `write: ` and a line of YAML, or an instruction. */
  readonly remedy: string;
}

/** The texts of a fault, without its place. */
export type FaultText = Pick<Fault, "expected" | "actual" | "remedy">;

/** The part of a document that a rule uses: it turns paths into faults and lines. */
export interface FaultLocator {
  /**
   * Returns a fault at the value of a path, or at its key.
   * @param path steps from the root; it may lead to something that is missing
   * @param text without `actual`, the fault describes the value found
   * @param at "key" to point at the key instead of the value
   */
  fault(path: Path, text: Omit<FaultText, "actual"> & { actual?: string }, at?: "key" | "value"): Fault;
  /** @returns the 1-based line of the key at a path */
  lineOf(path: Path): number;
}
