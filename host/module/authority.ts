/**
 * The authority of a module: the host calls that its manifest requests, that its code can reach, and that the operator granted. All
 * three are compared before the module runs. Pure.
 */
import type { KnownCapabilities, Rpc } from "../host-call.ts";
import { KLEIDI, printable } from "./contract.ts";
import type { Manifest } from "./manifest.ts";
import type { Reach } from "./wasm/reach.ts";

/** One operation of a capability, in one RPC. */
export interface Authority {
  readonly rpc: Rpc;
  readonly capability: string;
  readonly operation: string;
}

/** Exports that Extism calls when it creates an instance, in addition to the start function. */
export const RUN_AT_START = ["_initialize", "_start", "hs_init"];

/**
 * Returns the host calls that the code of each RPC can reach. Static analysis: it may list too many, never too few.
 * @param rpcs the RPCs to look at
 * @returns ordered by RPC, then by import
 */
export function authorityOf({ exports }: Pick<Reach, "exports">, rpcs: readonly Rpc[]): Authority[] {
  return rpcs.flatMap((rpc) =>
    (exports.get(`kleidi_${rpc}`) ?? []).flatMap(({ module, name }) =>
      module.startsWith(KLEIDI) ? [{ rpc, capability: module.slice(KLEIDI.length), operation: name }] : [],
    ),
  );
}

/**
 * Returns the differences between manifest and code, and host calls at instantiation.
 * @returns one clause for each fault; empty if manifest and code agree
 */
export function authorityFaults(
  manifest: Manifest,
  reach: Reach,
  authority: readonly Authority[],
  known: KnownCapabilities,
): string[] {
  return [...startFaults(reach), ...manifestFaults(manifest, authority, known)];
}

/** Returns a fault if instantiation can reach a host call: a start function, or an export that Extism calls at instantiation. */
export function startFaults(reach: Reach): string[] {
  const atStart = [
    ["start function", reach.start] as const,
    ...RUN_AT_START.map(
      (name) => [`export ${name}, which runs in each instance,`, reach.exports.get(name) ?? []] as const,
    ),
  ];
  return atStart.flatMap(([what, reached]) => {
    const call = reached.find(({ module }) => module.startsWith(KLEIDI));
    if (call === undefined) return [];
    return [
      `its ${what} can reach ${printable(call.module)} ${printable(call.name)}; a module must not make host calls before an export is called`,
    ];
  });
}

/** Returns the differences between the requests of the manifest and the host calls that the code can reach. */
export function manifestFaults(
  manifest: Manifest,
  authority: readonly Authority[],
  known: KnownCapabilities,
): string[] {
  const faults: string[] = [];
  const requested = requestsOf(manifest);
  for (const request of requested) {
    if (known.get(request.capability)?.operations.includes(request.operation) !== true) {
      faults.push(`its manifest requests ${operationName(request)}, which does not exist`);
    } else if (!includes(authority, request)) {
      faults.push(
        `its manifest requests ${operationName(request)} in ${request.rpc}, which kleidi_${request.rpc} cannot reach; remove it there`,
      );
    }
  }
  for (const use of authority) {
    if (!includes(requested, use)) {
      faults.push(
        `kleidi_${use.rpc} can reach ${operationName(use)}, which its manifest does not request in ${use.rpc}; add it there`,
      );
    }
  }
  return faults;
}

/** Returns the capabilities that the manifest requests and the configuration does not grant, without those that every provider has. */
export function ungranted(
  manifest: Manifest,
  grants: Readonly<Record<string, unknown>>,
  known: KnownCapabilities,
): string[] {
  const names = new Set(manifest.capabilities.map(({ capability }) => capability));
  return [...names].filter((name) => known.get(name)?.alwaysGranted !== true && !isGranted(grants, name));
}

/** Returns the capabilities that the configuration grants and the manifest does not request. */
export function unrequested(manifest: Manifest, grants: Readonly<Record<string, unknown>>): string[] {
  const names = new Set(manifest.capabilities.map(({ capability }) => capability));
  return Object.keys(grants).filter((name) => isGranted(grants, name) && !names.has(name));
}

function isGranted(grants: Readonly<Record<string, unknown>>, name: string): boolean {
  return Object.hasOwn(grants, name) && grants[name] !== undefined;
}

/** Expands the rows of a manifest: one entry for each combination of operation and RPC. */
export function requestsOf(manifest: Manifest): Authority[] {
  return manifest.capabilities.flatMap(({ capability, operations, rpcs }) =>
    operations.flatMap((operation) => rpcs.map((rpc) => ({ rpc, capability, operation }))),
  );
}

function includes(all: readonly Authority[], one: Authority): boolean {
  return all.some(
    ({ rpc, capability, operation }) =>
      rpc === one.rpc && capability === one.capability && operation === one.operation,
  );
}

function operationName({ capability, operation }: Authority): string {
  return `${KLEIDI}${printable(capability)} ${printable(operation)}`;
}
