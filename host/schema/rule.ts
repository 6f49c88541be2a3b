/** A rule checks a condition that spans several keys. */
import type { Fault } from "./fault.ts";
import type { Outline } from "./outline.ts";

/** A rule of a capability takes an Outline; the rules of the configuration take more. */
export interface Rule<Seen extends Outline = Outline> {
  /** The rule as one sentence, for the reference. */
  readonly description: string;
  /** @returns one fault for each place that breaks the rule */
  check(outline: Seen): Iterable<Fault>;
}
