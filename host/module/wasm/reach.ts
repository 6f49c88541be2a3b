/**
 * Computes the imported functions that each export can reach. It may list too many, never too few: a call through a table counts
 * as a call of every function that is, or could be put, in a table; a reference to a function counts as a call.
 */
import type { CallGraph } from "./graph.ts";
import type { FuncType, Module } from "./module.ts";

export interface ImportRef {
  readonly module: string;
  readonly name: string;
}

export interface Reach {
  /** The imports that the start function can reach. */
  readonly start: readonly ImportRef[];
  /** The imports that each exported function can reach, by export name; in the order of the imports, without duplicates. */
  readonly exports: ReadonlyMap<string, readonly ImportRef[]>;
}

/** Computes the reach of a module. Linear in its size. */
export function reach(module: Module): Reach {
  const { refs, numbers } = distinctImports(module);
  const search = new ReachSearch(module.calls, tableEntries(module), numbers, refs.length);
  const from = (index: number) => refs.filter((_, number) => search.reaches(index, number));
  const exports = new Map<string, readonly ImportRef[]>();
  for (const { name, kind, index } of module.exports) if (kind === "function") exports.set(name, from(index));
  return { start: module.start === undefined ? [] : from(module.start), exports };
}

/** Removes duplicate imports. `numbers` maps each import to its index in `refs`. */
function distinctImports({ imports }: Module): { refs: ImportRef[]; numbers: number[] } {
  const refs: ImportRef[] = [];
  const numbers = imports.map(({ module, name }) => {
    const known = refs.findIndex((ref) => ref.module === module && ref.name === name);
    return known < 0 ? refs.push({ module, name }) - 1 : known;
  });
  return { refs, numbers };
}

/** Returns the indexes of the functions that a call through a table can call. */
export function tableEntries(module: Module): number[] {
  const inTable = Uint8Array.from(module.calls.inTable);
  // code outside the module has the exported functions, and can pass them in where references are accepted
  if (acceptsReferences(module)) {
    for (const { kind, index } of module.exports) if (kind === "function") inTable[index] = 1;
  }
  const entries: number[] = [];
  for (let index = 0; index < inTable.length; index++) if (inTable[index] === 1) entries.push(index);
  return entries;
}

/** Returns true if code outside the module can pass a function reference into it. */
function acceptsReferences({ exports, imports, tables, globals }: Module): boolean {
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
 * Tarjan's algorithm for strongly connected components, without recursion. The functions of a component share one set of imports;
 * a component is finished after all components that it calls. Linear for any number of exports. One extra node stands for the tables.
 */
class ReachSearch {
  readonly #graph: CallGraph;
  readonly #tableEntries: readonly number[];
  readonly #numbers: readonly number[];
  readonly #words: number;
  /** 1-based order of discovery; 0 if not discovered. */
  readonly #order: Uint32Array;
  readonly #low: Uint32Array;
  /** 1-based component of a finished node; 0 if not finished. */
  readonly #component: Uint32Array;
  /** A bit set of imports for each component, `#words` words each. */
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

  /** Returns true if the function `node` can reach the import `number`. */
  reaches(node: number, number: number): boolean {
    if (this.#order[node] === 0) this.#explore(node);
    const word = (this.#component[node] as number) * this.#words + (number >>> 5);
    return (((this.#sets[word] as number) >>> (number & 31)) & 1) === 1;
  }

  /** Returns the n-th callee of a node; undefined if it has fewer. */
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
    /** For each node of the path, the number of callees that are finished. */
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

  /** Makes a component of the pending nodes from `first` on, and computes its set of imports. */
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
