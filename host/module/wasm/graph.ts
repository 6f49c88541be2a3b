import type { References } from "./references.ts";

/** The call graph, collected while the bodies are read. Flat arrays, because a module can have any number of calls. */
export class CallGraph {
  /** Number of imported functions. */
  readonly imported: number;
  /** Number of all functions, imported ones first: the index space. */
  readonly functions: number;
  /** The callees of the module's i-th own function: callees[ends[i - 1]] to callees[ends[i] - 1]. */
  callees = new Uint32Array(1024);
  readonly ends: Uint32Array;
  /** 1 for each of the module's own functions that calls through a table. */
  readonly indirect: Uint8Array;
  /** 1 for each function that is, or could be put, in a table. */
  readonly inTable: Uint8Array;
  /** For each function, the last caller (+ 1) that was recorded: each callee is recorded once for each caller. */
  readonly #lastCaller: Uint32Array;
  /** Receives the place of each function index in the file; absent unless the module is rewritten. */
  readonly references: References | undefined;
  #count = 0;
  #caller = 0;

  constructor(imported: number, own: number, references?: References) {
    this.references = references;
    this.imported = imported;
    this.functions = imported + own;
    this.ends = new Uint32Array(own);
    this.indirect = new Uint8Array(own);
    this.inTable = new Uint8Array(this.functions);
    this.#lastCaller = new Uint32Array(this.functions);
  }

  /** Records a call by the current function. */
  call(callee: number): void {
    if (this.#lastCaller[callee] === this.#caller + 1) return;
    this.#lastCaller[callee] = this.#caller + 1;
    if (this.#count === this.callees.length) {
      const more = new Uint32Array(this.#count * 2);
      more.set(this.callees);
      this.callees = more;
    }
    this.callees[this.#count++] = callee;
  }

  /** Records a call through a table by the current function. */
  callIndirect(): void {
    this.indirect[this.#caller] = 1;
  }

  /** Makes the next of the module's own functions the current one. */
  nextCaller(): void {
    this.ends[this.#caller++] = this.#count;
  }
}
