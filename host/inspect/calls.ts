/**
 * The evidence for what an RPC can reach: how many functions, a shortest way to each host call, and whether it is there without a
 * call through the table. What counts for admission is `reach`; this says why.
 */
import { RPCS, type Rpc } from "../host-call.ts";
import { KLEIDI } from "../module/contract.ts";
import type { Module } from "../module/wasm/module.ts";
import { tableEntries } from "../module/wasm/reach.ts";

export interface RpcCalls {
  readonly rpc: Rpc;
  readonly export: string;
  /** Functions that it can run, its own and imported ones, itself too. */
  readonly functions: number;
  /** Of these, how many call through the table. */
  readonly indirect: number;
  readonly reaches: readonly Reached[];
}

export interface Reached {
  readonly capability: string;
  readonly operation: string;
  /** Only a call through the table leads to it. */
  readonly throughTable: boolean;
  /** How many functions a shortest way goes through, both ends counted. */
  readonly steps: number;
  /** Their indexes; of a long way, its first eight and its last eight. */
  readonly path: readonly number[];
}

const SHOWN_END = 8;

/** For each RPC that the module exports, in the order of the contract. */
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
  const all = walk(module, root, entries);
  const direct = all.indirect === 0 ? all : walk(module, root, []);
  const seen = new Set<string>();
  const reaches = module.imports.flatMap(({ module: namespace, name: operation }, index): Reached[] => {
    if (!namespace.startsWith(KLEIDI) || all.from[index] === UNSEEN) return [];
    // a module may import one function twice: what counts is whether any of them needs the table
    const twins = module.imports.flatMap((twin, i) =>
      twin.module === namespace && twin.name === operation ? [i] : [],
    );
    const key = `${namespace} ${operation}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const straight = twins.find((twin) => direct.from[twin] !== UNSEEN);
    const path = straight === undefined ? pathTo(all, index) : pathTo(direct, straight);
    return [
      {
        capability: namespace.slice(KLEIDI.length),
        operation,
        throughTable: straight === undefined,
        steps: path.length,
        path: path.length <= 2 * SHOWN_END ? path : [...path.slice(0, SHOWN_END), ...path.slice(-SHOWN_END)],
      },
    ];
  });
  return { rpc, export: name, functions: all.seen, indirect: all.indirect, reaches };
}

interface Walk {
  /** The function that each was first met from; itself for the root. */
  readonly from: Uint32Array;
  readonly seen: number;
  readonly indirect: number;
}

const UNSEEN = 0xffff_ffff;

/** Breadth first, so that the way back from anywhere is a shortest one. */
function walk({ calls }: Module, root: number, entries: readonly number[]): Walk {
  const { imported, functions, ends, callees } = calls;
  const from = new Uint32Array(functions).fill(UNSEEN);
  const queue = new Uint32Array(functions);
  let seen = 0;
  let indirect = 0;
  const meet = (callee: number, caller: number) => {
    if (from[callee] !== UNSEEN) return;
    from[callee] = caller;
    queue[seen++] = callee;
  };
  meet(root, root);
  for (let next = 0; next < seen; next++) {
    const caller = queue[next] as number;
    const own = caller - imported;
    if (own < 0) continue;
    const end = ends[own] as number;
    for (let at = own === 0 ? 0 : (ends[own - 1] as number); at < end; at++)
      meet(callees[at] as number, caller);
    if (calls.indirect[own] !== 1) continue;
    // what one call can meet, every one can: once is enough
    if (indirect++ === 0) for (const entry of entries) meet(entry, caller);
  }
  return { from, seen, indirect };
}

function pathTo({ from }: Walk, last: number): number[] {
  const path = [last];
  for (let at = last; from[at] !== at; ) {
    at = from[at] as number;
    path.push(at);
  }
  return path.reverse();
}
