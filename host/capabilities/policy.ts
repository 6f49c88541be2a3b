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

/** What kleidi:net may be used for; how its origin is reached and who is trusted there is the capability's own (net/). */
export interface NetGrant {
  /** "https://vault.example:8200": scheme, host and port, no path. */
  readonly origin: string;
  readonly allow: readonly AllowedRequest[];
  /** Lower-case names of headers that the guest may set and, in a response, see. */
  readonly headers: readonly string[];
  /** Largest body of a request, in bytes. */
  readonly requestBytes: number;
}

export interface AllowedRequest {
  readonly method: string;
  /** Ends in "/": everything under it; else exactly this path. */
  readonly path: string;
}

/** What the configuration grants to one provider. */
export interface Grants {
  readonly keystore?:
    | (Grant & {
        /** To seal and open with. */
        readonly keys: readonly string[];
        /** To derive OpenPGP's keys from; none of them is in `keys`. */
        readonly passphrases?: readonly string[] | undefined;
      })
    | undefined;
  readonly tpm?:
    | (Grant & {
        readonly device: string;
        readonly hierarchies: readonly string[];
        readonly persistent: readonly number[];
        readonly templates: readonly string[];
        /** Whether sealed data may be had from the TPM. */
        readonly unseal: boolean;
      })
    | undefined;
  readonly state?: (Grant & { readonly names: readonly string[] }) | undefined;
  readonly net?: (Grant & NetGrant) | undefined;
}

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
  const grant: Grant | undefined = Object.hasOwn(grants, call.capability)
    ? grants[call.capability as keyof Grants]
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
