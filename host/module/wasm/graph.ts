/** Who calls whom, gathered while the bodies are walked. Flat arrays: a module has as many calls as it likes. */
export class CallGraph {
  readonly imported: number;
  /** Imported functions and own ones: the index space. */
  readonly functions: number;
  /** Callees of own function i: callees[ends[i - 1]] to callees[ends[i] - 1]. */
  callees = new Uint32Array(1024);
  readonly ends: Uint32Array;
  /** 1 for each own function that calls through a table. */
  readonly indirect: Uint8Array;
  /** 1 for each function that is or can come to be in a table. */
  readonly inTable: Uint8Array;
  /** The last own function (+ 1) that was seen to call this one: each callee is noted once for each caller. */
  readonly #seen: Uint32Array;
  #count = 0;
  #caller = 0;

  constructor(imported: number, own: number) {
    this.imported = imported;
    this.functions = imported + own;
    this.ends = new Uint32Array(own);
    this.indirect = new Uint8Array(own);
    this.inTable = new Uint8Array(this.functions);
    this.#seen = new Uint32Array(this.functions);
  }

  call(callee: number): void {
    if (this.#seen[callee] === this.#caller + 1) return;
    this.#seen[callee] = this.#caller + 1;
    if (this.#count === this.callees.length) {
      const more = new Uint32Array(this.#count * 2);
      more.set(this.callees);
      this.callees = more;
    }
    this.callees[this.#count++] = callee;
  }

  callIndirect(): void {
    this.indirect[this.#caller] = 1;
  }

  /** What is called from now on is called by the next function. */
  nextCaller(): void {
    this.ends[this.#caller++] = this.#count;
  }
}
