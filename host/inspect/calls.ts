/**
 * Explains the reach of each RPC: the number of functions, a shortest call path to each host call, and whether a path exists without
 * a call through the table. Admission uses `reach`; this is the evidence for the auditor.
 */
import { RPCS, type Rpc } from "../host-call.ts";
import { KLEIDI } from "../module/contract.ts";
import type { Module } from "../module/wasm/module.ts";
import { tableEntries } from "../module/wasm/reach.ts";

export interface RpcCalls {
  readonly rpc: Rpc;
  readonly export: string;
  /** Number of functions that the RPC can run: imported ones, the module's own, and the export. */
  readonly functions: number;
  /** Number of these functions that call through the table. */
  readonly indirect: number;
  readonly reaches: readonly ReachedCall[];
}

/** A host call that an RPC can reach. */
export interface ReachedCall {
  readonly capability: string;
  readonly operation: string;
  /** True if every path to it needs a call through the table. */
  readonly throughTable: boolean;
  /** Number of functions on a shortest path, both ends included. */
  readonly steps: number;
  /** Indexes of these functions; of a long path, the first eight and the last eight. */
  readonly path: readonly number[];
}

const SHOWN_END = 8;

/** Returns the calls of each exported RPC, in the order of the contract. */
export function callsOf(module: Module): RpcCalls[] {
  const entries = tableEntries(module);
  return RPCS.flatMap((rpc) => {
    const name = `kleidi_${rpc}`;
    const found = module.exports.find((entry) => entry.name === name && entry.kind === "function");
    return found === undefined ? [] : [callsFrom(module, entries, rpc, name, found.index)];
  });
}

function callsFrom(
  module: Module,
  entries: readonly number[],
  rpc: Rpc,
  name: string,
  root: number,
): RpcCalls {
  const all = search(module, root, entries);
  const direct = all.indirect === 0 ? all : search(module, root, []);
  const seen = new Set<string>();
  const reaches = module.imports.flatMap(({ module: namespace, name: operation }, index): ReachedCall[] => {
    if (!namespace.startsWith(KLEIDI) || all.from[index] === UNSEEN) return [];
    // a module may import a function twice: one import that is reachable without the table is enough
    const duplicates = module.imports.flatMap((other, i) =>
      other.module === namespace && other.name === operation ? [i] : [],
    );
    const key = `${namespace} ${operation}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const reachable = duplicates.find((i) => direct.from[i] !== UNSEEN);
    const path = reachable === undefined ? pathTo(all, index) : pathTo(direct, reachable);
    return [
      {
        capability: namespace.slice(KLEIDI.length),
        operation,
        throughTable: reachable === undefined,
        steps: path.length,
        path: path.length <= 2 * SHOWN_END ? path : [...path.slice(0, SHOWN_END), ...path.slice(-SHOWN_END)],
      },
    ];
  });
  return { rpc, export: name, functions: all.seen, indirect: all.indirect, reaches };
}

/** The result of a breadth-first search. */
interface Search {
  /** The function from which each function was first reached; the root points to itself. */
  readonly from: Uint32Array;
  /** Number of reached functions. */
  readonly seen: number;
  /** Number of reached functions that call through the table. */
  readonly indirect: number;
}

const UNSEEN = 0xffff_ffff;

/** Searches breadth-first, so that the path back from each function is a shortest one. @param entries functions in the table */
function search({ calls }: Module, root: number, entries: readonly number[]): Search {
  const { imported, functions, ends, callees } = calls;
  const from = new Uint32Array(functions).fill(UNSEEN);
  const queue = new Uint32Array(functions);
  let seen = 0;
  let indirect = 0;
  const visit = (callee: number, caller: number) => {
    if (from[callee] !== UNSEEN) return;
    from[callee] = caller;
    queue[seen++] = callee;
  };
  visit(root, root);
  for (let next = 0; next < seen; next++) {
    const caller = queue[next] as number;
    const own = caller - imported;
    if (own < 0) continue;
    const end = ends[own] as number;
    for (let at = own === 0 ? 0 : (ends[own - 1] as number); at < end; at++)
      visit(callees[at] as number, caller);
    if (calls.indirect[own] !== 1) continue;
    // each call through the table can reach all entries, so they are visited once
    if (indirect++ === 0) for (const entry of entries) visit(entry, caller);
  }
  return { from, seen, indirect };
}

function pathTo({ from }: Search, last: number): number[] {
  const path = [last];
  for (let at = last; from[at] !== at; ) {
    at = from[at] as number;
    path.push(at);
  }
  return path.reverse();
}
