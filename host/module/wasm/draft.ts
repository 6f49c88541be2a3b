/** What is known of a module while its sections are read, in their order. */
import { CallGraph } from "./graph.ts";
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
  /** Of a function. */
  readonly type?: FuncType;
}

export class Draft {
  readonly types: FuncType[] = [];
  readonly imports: Import[] = [];
  /** Every function's type: imported ones, then own ones. */
  readonly functions: FuncType[] = [];
  readonly tables: Table[] = [];
  readonly tableLimits: Span[] = [];
  readonly memories: Limits[] = [];
  readonly memoryLimits: Span[] = [];
  readonly globals: Global[] = [];
  readonly exports: Export[] = [];
  start: number | undefined;
  elements = 0;
  /** What the data count section says. */
  dataCount: number | undefined;
  data = 0;
  bodies = 0;
  #calls: CallGraph | undefined;

  /** Asked for the first time when all functions are known: the sections that name one come behind the function section. */
  get calls(): CallGraph {
    this.#calls ??= new CallGraph(this.imports.length, this.functions.length - this.imports.length);
    return this.#calls;
  }
}
