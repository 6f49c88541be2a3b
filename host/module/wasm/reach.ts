/**
 * Which imported functions can be called from where. Never too few: a call through a table counts as a call of every function
 * that is or could come to be in one, and a function that is named counts as called.
 */
import type { CallGraph } from "./graph.ts";
import type { FuncType, Module } from "./module.ts";

export interface ImportRef {
  readonly module: string;
  readonly name: string;
}

export interface Reach {
  /** What instantiation can call. */
  readonly start: readonly ImportRef[];
  /** For every exported function, by its export's name. Each in the order of the imports, each pair once. */
  readonly exports: ReadonlyMap<string, readonly ImportRef[]>;
}

export function reach(module: Module): Reach {
  const { refs, numbers } = distinct(module);
  const search = new Search(module.calls, tableEntries(module), numbers, refs.length);
  const from = (index: number) => refs.filter((_, number) => search.reaches(index, number));
  const exports = new Map<string, readonly ImportRef[]>();
  for (const { name, kind, index } of module.exports) if (kind === "function") exports.set(name, from(index));
  return { start: module.start === undefined ? [] : from(module.start), exports };
}

/** A module may import one function twice: `numbers` has for each import its place in `refs`. */
function distinct({ imports }: Module): { refs: ImportRef[]; numbers: number[] } {
  const refs: ImportRef[] = [];
  const numbers = imports.map(({ module, name }) => {
    const known = refs.findIndex((ref) => ref.module === module && ref.name === name);
    return known < 0 ? refs.push({ module, name }) - 1 : known;
  });
  return { refs, numbers };
}

/** The functions that a call through a table can meet. */
export function tableEntries(module: Module): number[] {
  const inTable = Uint8Array.from(module.calls.inTable);
  // who is outside has the exported functions, and can hand them in where a reference can pass
  if (handsIn(module)) {
    for (const { kind, index } of module.exports) if (kind === "function") inTable[index] = 1;
  }
  const entries: number[] = [];
  for (let index = 0; index < inTable.length; index++) if (inTable[index] === 1) entries.push(index);
  return entries;
}

function handsIn({ exports, imports, tables, globals }: Module): boolean {
  const funcref = (type: FuncType | undefined, side: "params" | "results") =>
    type?.[side].includes("funcref");
  return (
    imports.some(({ type }) => funcref(type, "results")) ||
    exports.some(
      ({ kind, index, type }) =>
        funcref(type, "params") ||
        (kind === "table" && tables[index]?.element === "funcref") ||
        (kind === "global" && globals[index]?.mutable && globals[index]?.type === "funcref"),
    )
  );
}

/**
 * Tarjan's strongly connected components, without recursion: functions that call each other share one set of imports, and a
 * component is finished after all that it calls. Linear, whatever the number of exports. One node stands for the tables.
 */
class Search {
  readonly #graph: CallGraph;
  readonly #tableEntries: readonly number[];
  readonly #numbers: readonly number[];
  readonly #words: number;
  /** Order of discovery, from 1; 0: not seen. */
  readonly #order: Uint32Array;
  readonly #low: Uint32Array;
  /** Component of a finished node, from 1; 0: not finished. */
  readonly #component: Uint32Array;
  /** Sets of imports, one bit each, `#words` for each component. */
  readonly #sets: Uint32Array;
  #seen = 0;
  #components = 0;

  constructor(
    graph: CallGraph,
    tableEntries: readonly number[],
    numbers: readonly number[],
    imports: number,
  ) {
    const nodes = graph.functions + 1;
    this.#graph = graph;
    this.#tableEntries = tableEntries;
    this.#numbers = numbers;
    this.#words = Math.ceil(imports / 32);
    this.#order = new Uint32Array(nodes);
    this.#low = new Uint32Array(nodes);
    this.#component = new Uint32Array(nodes);
    this.#sets = new Uint32Array((nodes + 1) * this.#words);
  }

  reaches(node: number, number: number): boolean {
    if (this.#order[node] === 0) this.#explore(node);
    const word = (this.#component[node] as number) * this.#words + (number >>> 5);
    return (((this.#sets[word] as number) >>> (number & 31)) & 1) === 1;
  }

  /** The n-th node that this one calls. */
  #callee(node: number, n: number): number | undefined {
    const { imported, functions, ends, callees, indirect } = this.#graph;
    if (node === functions) return this.#tableEntries[n];
    const own = node - imported;
    if (own < 0) return undefined;
    const at = (own === 0 ? 0 : (ends[own - 1] as number)) + n;
    const end = ends[own] as number;
    if (at < end) return callees[at];
    return at === end && indirect[own] === 1 ? functions : undefined;
  }

  #explore(root: number): void {
    const path: number[] = [];
    /** How many callees of each node of the path are done. */
    const done: number[] = [];
    const pending: number[] = [];
    const enter = (node: number) => {
      this.#seen += 1;
      this.#order[node] = this.#seen;
      this.#low[node] = this.#seen;
      path.push(node);
      done.push(0);
      pending.push(node);
    };
    enter(root);
    while (path.length > 0) {
      const top = path.length - 1;
      const node = path[top] as number;
      const callee = this.#callee(node, (done[top] as number)++);
      if (callee === undefined) {
        path.pop();
        done.pop();
        if (this.#low[node] === this.#order[node]) this.#finish(node, pending);
        const caller = path[top - 1];
        if (caller !== undefined) this.#lower(caller, this.#low[node] as number);
      } else if (this.#order[callee] === 0) enter(callee);
      else if (this.#component[callee] === 0) this.#lower(node, this.#order[callee] as number);
    }
  }

  #lower(node: number, low: number): void {
    if (low < (this.#low[node] as number)) this.#low[node] = low;
  }

  /** All from `first` on are one component: its set is what its members call. */
  #finish(first: number, pending: number[]): void {
    this.#components += 1;
    const from = pending.lastIndexOf(first);
    const members = pending.splice(from);
    for (const node of members) this.#component[node] = this.#components;
    const words = this.#words;
    const set = this.#components * words;
    for (const node of members) {
      const number = this.#numbers[node];
      if (number !== undefined) this.#add(set + (number >>> 5), 1 << (number & 31));
      for (let n = 0; ; n++) {
        const callee = this.#callee(node, n);
        if (callee === undefined) break;
        const other = (this.#component[callee] as number) * words;
        if (other !== set)
          for (let i = 0; i < words; i++) this.#add(set + i, this.#sets[other + i] as number);
      }
    }
  }

  #add(word: number, bits: number): void {
    this.#sets[word] = (this.#sets[word] as number) | bits;
  }
}
