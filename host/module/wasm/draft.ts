/** The contents of a module, collected while its sections are read in order. */
import { CallGraph } from "./graph.ts";
import type { References } from "./references.ts";
import type { ExternalKind, FuncType, Global, Limits, Span, Table } from "./types.ts";

export interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: "function";
  readonly type: FuncType;
}

export interface Export {
  readonly name: string;
  readonly kind: ExternalKind;
  readonly index: number;
  /** The function's type; absent for other kinds. */
  readonly type?: FuncType;
}

export class Draft {
  readonly types: FuncType[] = [];
  readonly imports: Import[] = [];
  /** The type of each function: imported functions first, then those that the module defines. */
  readonly functions: FuncType[] = [];
  readonly tables: Table[] = [];
  readonly tableLimits: Span[] = [];
  readonly memories: Limits[] = [];
  readonly memoryLimits: Span[] = [];
  readonly globals: Global[] = [];
  readonly exports: Export[] = [];
  start: number | undefined;
  elements = 0;
  /** The number in the data count section. */
  dataCount: number | undefined;
  data = 0;
  bodies = 0;
  readonly #references: References | undefined;
  #calls: CallGraph | undefined;

  /** @param references records where function indexes stand; only a rewriter needs them */
  constructor(references?: References) {
    this.#references = references;
  }

  /** Created on first use. All functions are known then, because every section that refers to one comes after the function section. */
  get calls(): CallGraph {
    const imported = this.imports.length;
    this.#calls ??= new CallGraph(imported, this.functions.length - imported, this.#references);
    return this.#calls;
  }
}
