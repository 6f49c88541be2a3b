import type { WallName } from "../sandbox/wall/wall.ts";

/** Facts about a host that do not change while it runs. The audit log, the metrics and the state report contain them. */
export interface HostIdentity {
  readonly version: string;
  /** The wall around the providers' processes. */
  readonly wall: WallName;
}
