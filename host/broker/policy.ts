/** Decides on one host call, from what the module's manifest requests and what the operator granted. Pure. */
import type { HostCall } from "../host-call.ts";

/** A row of the manifest. */
export interface Request {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly string[];
}

/** What the configuration grants to one provider. */
export interface Grants {
  readonly keystore?: { readonly keys: readonly string[] } | undefined;
}

/** kleidi:log carries no authority: every provider has it. (kleidi:crypto never comes here: it runs beside the guest.) */
const ALWAYS_GRANTED = new Set(["log"]);

/** Why the call is denied; undefined: it is allowed. What it may name (a key) is decided by the capability itself. */
export function denial(call: HostCall, requests: readonly Request[], grants: Grants): string | undefined {
  const what = `kleidi:${call.capability} ${call.operation} in ${call.rpc}`;
  const requested = requests.some(
    (row) =>
      row.capability === call.capability &&
      row.operations.includes(call.operation) &&
      row.rpcs.includes(call.rpc),
  );
  if (!requested) return `${what}: its manifest does not request it`;
  if (ALWAYS_GRANTED.has(call.capability)) return undefined;
  if (!Object.hasOwn(grants, call.capability)) return `${what}: the configuration does not grant it`;
  return undefined;
}
