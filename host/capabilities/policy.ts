/** Decides on one host call, from the requests of the module's manifest and the operator's grants. Pure. */
import type { HostCall } from "../host-call.ts";

/** A row of the manifest. */
export interface Request {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly string[];
}

/** The part that all grants have in common. */
export interface Grant {
  /** Narrows the grant to these RPCs; absent: every RPC for which the manifest requests it. */
  readonly rpcs?: readonly string[] | undefined;
}

/** Grants, by the name of the capability. */
export type Grants = Readonly<Record<string, object | undefined>>;

/** The line of the configuration that allows the call, or the reason of its denial. */
export type Verdict =
  | { readonly allowed: true; readonly rule: string }
  | { readonly allowed: false; readonly reason: string };

/**
 * Decides whether a provider may use an operation in an RPC. The capability itself decides on the objects that the call names.
 * @param requests the rows of the module's manifest
 * @param grants the operator's grants to this provider
 * @param alwaysGranted names of the capabilities that need no grant
 */
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
  // `rpcs` does not narrow provisioning: the manifest requests it, and only an operator's "kleidi key init" runs it.
  if (call.rpc !== "provision" && grant.rpcs !== undefined && !grant.rpcs.includes(call.rpc)) {
    return {
      allowed: false,
      reason: `${what}: the configuration grants it in ${grant.rpcs.join(", ")} only`,
    };
  }
  return { allowed: true, rule };
}
