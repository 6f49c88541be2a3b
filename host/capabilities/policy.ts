/** Decides on one host call, from what the module's manifest requests and what the operator granted. Pure. */
import type { HostCall } from "../host-call.ts";

/** A row of the manifest. */
export interface Request {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly string[];
}

/** What every grant of the configuration has. */
export interface Grant {
  /** Narrows the grant to these RPCs; absent: every RPC for which the manifest requests it. */
  readonly rpcs?: readonly string[] | undefined;
}

/** By the name of the capability. */
export type Grants = Readonly<Record<string, object | undefined>>;

/** Which line of the configuration allows the call, or why it is denied. */
export type Verdict =
  | { readonly allowed: true; readonly rule: string }
  | { readonly allowed: false; readonly reason: string };

/** What the call may name (a key, an origin) is decided by the capability itself. */
export function decide(
  call: Pick<HostCall, "capability" | "operation" | "rpc">,
  requests: readonly Request[],
  grants: Grants,
  alwaysGranted: ReadonlySet<string>,
): Verdict {
  const what = `kleidi:${call.capability} ${call.operation} in ${call.rpc}`;
  const requested = requests.some(
    (row) =>
      row.capability === call.capability &&
      row.operations.includes(call.operation) &&
      row.rpcs.includes(call.rpc),
  );
  if (!requested) return { allowed: false, reason: `${what}: its manifest does not request it` };
  if (alwaysGranted.has(call.capability)) return { allowed: true, rule: "always granted" };
  const rule = `grants.${call.capability}`;
  const grant = Object.hasOwn(grants, call.capability)
    ? (grants[call.capability] as Grant | undefined)
    : undefined;
  if (grant === undefined) {
    return { allowed: false, reason: `${what}: the configuration does not grant it` };
  }
  // Provisioning is narrowed otherwise: the manifest asks for it, and only an operator's "kleidi key init" runs it.
  if (call.rpc !== "provision" && grant.rpcs !== undefined && !grant.rpcs.includes(call.rpc)) {
    return {
      allowed: false,
      reason: `${what}: the configuration grants it in ${grant.rpcs.join(", ")} only`,
    };
  }
  return { allowed: true, rule };
}
