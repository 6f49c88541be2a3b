/** The type of a fuzz target. test/fuzz/run.ts runs all of them for long, test/fuzz/fuzz.test.ts each one for a short time. */
import type fc from "fast-check";

export interface Target {
  readonly name: string;
  /** @param seen called with the outcome of a case, to show whether the cases reach deep */
  open(seen: (outcome: string) => void): Promise<OpenTarget>;
}

export interface OpenTarget {
  readonly properties: readonly Property[];
  close?(): Promise<void>;
}

export interface Property {
  /** A statement that always holds. */
  readonly name: string;
  /** The number of cases in npm test. */
  readonly cases: number;
  /** Outcomes that this many cases always reach: without them the property would test little. */
  readonly reaches: readonly string[];
  /** The outcome depends on time or chance: for corpus inputs, only the property itself is checked. */
  readonly timed?: true;
  readonly property: fc.IRawProperty<unknown>;
}
