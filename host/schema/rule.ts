/** What crosses keys, one rule at a time. */
import type { Fault } from "./fault.ts";
import type { Outline } from "./outline.ts";

/** A capability's rules look at an Outline; the configuration's own at more. */
export interface Rule<Seen extends Outline = Outline> {
  /** For the reference. */
  readonly says: string;
  check(outline: Seen): Iterable<Fault>;
}
