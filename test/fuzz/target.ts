/** What a fuzz target is. test/fuzz/run.ts runs all of them for long, test/fuzz/fuzz.test.ts each one for a moment. */
import type fc from "fast-check";

export interface Target {
  readonly name: string;
  /** @param seen told what came of a case, so that it can be seen whether the cases reach deep */
  open(seen: (outcome: string) => void): Promise<OpenTarget>;
}

export interface OpenTarget {
  readonly properties: readonly Property[];
  close?(): Promise<void>;
}

export interface Property {
  /** A sentence that always holds. */
  readonly name: string;
  /** In npm test. */
  readonly cases: number;
  /** Outcomes that so many cases cannot miss: without them the property would hold of nothing much. */
  readonly reaches: readonly string[];
  /** What an input comes to depends on time or chance: of the corpus's, only that the property holds is compared. */
  readonly timed?: true;
  readonly property: fc.IRawProperty<unknown>;
}
