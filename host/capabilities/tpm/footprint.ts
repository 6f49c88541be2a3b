/** The device file, or the socket or address of a virtual TPM, that grants of a TPM use. */
import type { Footprint } from "../capability.ts";
import type { TpmConfig } from "./grant.ts";

export function footprintOf(grants: readonly TpmConfig[]): Footprint {
  const names = [...new Set(grants.map(({ device }) => device))];
  const matches = (pattern: RegExp) => names.flatMap((name) => pattern.exec(name)?.[1] ?? []);
  return {
    devices: matches(/^(\/dev\/.+)$/),
    reads: matches(/^swtpm:(\/.+)$/),
    servers: matches(/^(?:swtpm|mssim):\[?([0-9.:]+)\]?:[0-9]+$/),
  };
}
