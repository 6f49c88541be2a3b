/** What crosses keys of the file, one at a time. */
import type { ConfigFault } from "./config-error.ts";
import type { Outline } from "./outline.ts";

export interface Rule {
  /** For the reference. */
  readonly says: string;
  check(outline: Outline): Iterable<ConfigFault>;
}
