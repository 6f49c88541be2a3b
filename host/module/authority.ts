/**
 * What a module can ask for: its manifest says it, its code shows it, the operator grants it, and the three are held against each
 * other before it runs. Pure.
 */
import type { KnownCapabilities, Rpc } from "../host-call.ts";
import { KLEIDI, printable } from "./contract.ts";
import type { Manifest } from "./manifest.ts";
import type { Reach } from "./wasm/reach.ts";

/** One operation that one RPC can reach. */
export interface Authority {
  readonly rpc: Rpc;
  readonly capability: string;
  readonly operation: string;
}

/** Exports that Extism runs when it makes an instance, beside the start section. */
const RUN_AT_START = ["_initialize", "_start", "hs_init"];

/** What the code of each RPC can call, as far as it can be known without running it: never less than it can. */
export function authorityOf({ exports }: Pick<Reach, "exports">, rpcs: readonly Rpc[]): Authority[] {
  return rpcs.flatMap((rpc) =>
    (exports.get(`kleidi_${rpc}`) ?? []).flatMap(({ module, name }) =>
      module.startsWith(KLEIDI) ? [{ rpc, capability: module.slice(KLEIDI.length), operation: name }] : [],
    ),
  );
}

/** What must not be, each as the second half of a sentence; none if code and manifest agree. */
export function authorityFaults(
  manifest: Manifest,
  reach: Reach,
  authority: readonly Authority[],
  known: KnownCapabilities,
): string[] {
  return [...startFaults(reach), ...rowFaults(manifest, authority, known)];
}

/** What making an instance could already ask the host for. */
export function startFaults(reach: Reach): string[] {
  const atStart = [...reach.start, ...RUN_AT_START.flatMap((name) => reach.exports.get(name) ?? [])].find(
    ({ module }) => module.startsWith(KLEIDI),
  );
  if (atStart === undefined) return [];
  return [
    `its start function can reach ${printable(atStart.module)} ${printable(atStart.name)}; no host call can be made before an export is called`,
  ];
}

/** Where manifest and code differ. */
export function rowFaults(
  manifest: Manifest,
  authority: readonly Authority[],
  known: KnownCapabilities,
): string[] {
  const faults: string[] = [];
  const requested = requestsOf(manifest);
  for (const request of requested) {
    if (known.get(request.capability)?.operations.includes(request.operation) !== true) {
      faults.push(`its manifest requests ${named(request)}, which does not exist`);
    } else if (!has(authority, request)) {
      faults.push(
        `its manifest requests ${named(request)} in ${request.rpc}, which kleidi_${request.rpc} cannot reach; remove it there`,
      );
    }
  }
  for (const use of authority) {
    if (!has(requested, use)) {
      faults.push(
        `kleidi_${use.rpc} can reach ${named(use)}, which its manifest does not request in ${use.rpc}; add it there`,
      );
    }
  }
  return faults;
}

/** Capabilities that the manifest requests and the configuration does not grant. */
export function ungranted(
  manifest: Manifest,
  grants: Readonly<Record<string, unknown>>,
  known: KnownCapabilities,
): string[] {
  const names = new Set(manifest.capabilities.map(({ capability }) => capability));
  return [...names].filter((name) => known.get(name)?.alwaysGranted !== true && !isGranted(grants, name));
}

/** Capabilities that the configuration grants and the manifest does not request. */
export function unrequested(manifest: Manifest, grants: Readonly<Record<string, unknown>>): string[] {
  const names = new Set(manifest.capabilities.map(({ capability }) => capability));
  return Object.keys(grants).filter((name) => isGranted(grants, name) && !names.has(name));
}

function isGranted(grants: Readonly<Record<string, unknown>>, name: string): boolean {
  return Object.hasOwn(grants, name) && grants[name] !== undefined;
}

/** One for each operation and RPC that a row lists. */
export function requestsOf(manifest: Manifest): Authority[] {
  return manifest.capabilities.flatMap(({ capability, operations, rpcs }) =>
    operations.flatMap((operation) => rpcs.map((rpc) => ({ rpc, capability, operation }))),
  );
}

function has(all: readonly Authority[], one: Authority): boolean {
  return all.some(
    ({ rpc, capability, operation }) =>
      rpc === one.rpc && capability === one.capability && operation === one.operation,
  );
}

function named({ capability, operation }: Authority): string {
  return `${KLEIDI}${printable(capability)} ${printable(operation)}`;
}
