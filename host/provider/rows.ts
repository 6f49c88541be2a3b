/** The rows of a manifest, computed from the host calls that the code can reach. Pure. */
import { RPCS, type Rpc } from "../host-call.ts";
import type { Authority } from "../module/authority.ts";

/** A row of a manifest whose reason may be open: an empty `why`. */
export interface Row {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly Rpc[];
  readonly why: string;
}

/**
 * Returns the rows that state exactly the reached host calls. A row that there is keeps its reason, less what is not reached; a host call
 * that no row has gets a row with an open reason.
 * @param rows the rows that there are
 * @param authority the host calls that each RPC can reach
 */
export function rowsOf(rows: readonly Row[], authority: readonly Authority[]): Row[] {
  const left = new Set(authority.map(keyOf));
  const kept = rows.flatMap(({ capability, operations, rpcs, why }) => {
    const reached = operations.map((operation) => {
      const here = rpcs.filter((rpc) => left.delete(keyOf({ rpc, capability, operation })));
      return { operation, rpcs: here };
    });
    return grouped(capability, reached, why);
  });
  return [...kept, ...openRows(authority.filter((use) => left.has(keyOf(use))))];
}

function openRows(missing: readonly Authority[]): Row[] {
  const capabilities = [...new Set(missing.map(({ capability }) => capability))];
  return capabilities.flatMap((capability) => {
    const mine = missing.filter((use) => use.capability === capability);
    const operations = [...new Set(mine.map(({ operation }) => operation))];
    const reached = operations.map((operation) => ({
      operation,
      rpcs: RPCS.filter((rpc) => mine.some((use) => use.rpc === rpc && use.operation === operation)),
    }));
    return grouped(capability, reached, "");
  });
}

/** One row for the operations that the same RPCs reach. */
function grouped(
  capability: string,
  reached: readonly { readonly operation: string; readonly rpcs: readonly Rpc[] }[],
  why: string,
): Row[] {
  const groups = new Map<string, { operations: string[]; rpcs: readonly Rpc[] }>();
  for (const { operation, rpcs } of reached) {
    if (rpcs.length === 0) continue;
    const group = groups.get(rpcs.join()) ?? { operations: [], rpcs };
    group.operations.push(operation);
    groups.set(rpcs.join(), group);
  }
  return [...groups.values()].map(({ operations, rpcs }) => ({ capability, operations, rpcs, why }));
}

function keyOf({ rpc, capability, operation }: Authority): string {
  return `${rpc} ${capability} ${operation}`;
}

/** A row as text: `net request in status, encrypt`. */
export function rowText({ capability, operations, rpcs }: Row): string {
  return `${capability} ${operations.join(", ")} in ${rpcs.join(", ")}`;
}
