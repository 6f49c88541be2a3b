/** For `kleidi doctor`: the name of the identity that an issued credential is. */
import type { Finding } from "../../../finding.ts";
import { type Lease, Unreachable } from "../exchange.ts";
import { IssuedLease } from "./issued-credential.ts";
import { waitFor } from "./timed-request.ts";

/**
 * @param subject the beginning of the finding about the policy
 * @param unnamed the reason for which a lease has no name
 * @param hint the next step if nobody gives the name
 */
export async function identityFinding(
  subject: string,
  lease: Lease,
  signal: AbortSignal,
  { unnamed, hint }: { readonly unnamed: string; readonly hint: string },
): Promise<Finding> {
  const named = subject.replace(/policy$/, "identity");
  const identity = lease instanceof IssuedLease ? lease.identity : undefined;
  if (identity === undefined) return { subject: named, ok: true, detail: `not known: ${unnamed}` };
  try {
    return { subject: named, ok: true, detail: `the host is ${await waitFor(identity(), signal)}` };
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    return { subject: named, ok: true, warning: true, detail: `not known: ${error.message}`, hint };
  }
}
