/** The end of a module's admission: after it a host does not start, because too few signatures count. */
import { type Expiry, warningBefore } from "../../lib/expiry.ts";
import { endOfDay } from "./days.ts";
import type { Signer } from "./signer.ts";
import type { TrustResult } from "./trust.ts";

/** With `day`, the last day on which the module is admitted, YYYY-MM-DD. */
export interface TrustEnd extends Expiry {
  readonly day: string;
}

/**
 * @param provider whose module it is
 * @returns undefined if enough signatures have no end
 */
export function trustEnd(provider: string, { signers, threshold }: TrustResult): TrustEnd | undefined {
  const latestFirst = signers.toSorted((a, b) => endOf(b) - endOf(a) || 0);
  const deciding = latestFirst[threshold - 1];
  if (deciding?.expires === undefined) return undefined;
  const byKey = deciding.keyExpires === deciding.expires;
  return {
    ...(byKey ? { kind: "trust-key", name: deciding.name } : { kind: "signature", name: provider }),
    day: deciding.expires,
    at: endOf(deciding),
    warningMs: warningBefore(Number.POSITIVE_INFINITY),
  };
}

function endOf({ expires }: Signer): number {
  return expires === undefined ? Number.POSITIVE_INFINITY : endOfDay(expires);
}
