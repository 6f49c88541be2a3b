/** The result of a scan, whether of a file or of a running etcd. */
import type { Group } from "./tally.ts";

export interface Scan {
  /** The newest revision. */
  readonly revision: number;
  readonly objects: number;
  readonly groups: readonly Group[];
  /** Parts that cannot be read: objects may be missing. The first ones. */
  readonly faults: readonly string[];
  readonly faultCount: number;
  /** Of a snapshot with a checksum: true if it is right. */
  readonly checksum?: boolean | undefined;
}

export const MAX_FAULTS = 20;
