/** The index spaces of a linked module: imports that stay, imports of the stubs, own functions, stubs, and the exports behind `_initialize`. */
import type { Import, Module } from "../../module/wasm/module.ts";
import type { FuncType, ValType } from "../../module/wasm/types.ts";
import { type StubContext, varint } from "./random.ts";
import { STDERR_IMPORTS } from "./stderr.ts";
import { type Stub, stubOf, WASI } from "./wasi.ts";

export interface Layout {
  readonly imports: readonly Import[];
  /** The types of the functions that the linked module defines. */
  readonly functions: readonly FuncType[];
  readonly stubs: readonly { readonly name: string; readonly stub: Stub }[];
  /** The bodies of the functions behind the module's own, before those of `wrapped`. */
  readonly bodies: readonly ((context: StubContext) => Uint8Array)[];
  /** The functions that are exported in a wrapper, by their new index. */
  readonly wrapped: readonly number[];
  /** The new index of `_initialize`, and the global that says that it ran. */
  readonly initialize: { readonly function: number; readonly global: number } | undefined;
  /** True if an error that was set of stderr is taken back when an export returns. */
  readonly keepsStderr: boolean;
  /** Number of globals that the module has. */
  readonly ownGlobals: number;
  /** The globals that are added. */
  readonly globals: readonly { readonly name: string; readonly type: ValType }[];
  readonly context: StubContext;
  /** True if every function keeps its index. */
  readonly isIdentity: boolean;
  /** The new index of a function. */
  readonly indexOf: (index: number) => number;
  /** The new index of an exported function. */
  readonly exported: (index: number) => number;
}

const type = (params: readonly ValType[], results: readonly ValType[]): FuncType => ({ params, results });
const VARINT = type(["i64"], ["i64"]);
/** The types of the imports that stubs call. */
const IMPORT_TYPES: Readonly<Record<string, FuncType>> = {
  "kleidi:crypto random": type(["i64"], ["i64"]),
  "extism:host/env alloc": type(["i64"], ["i64"]),
  "extism:host/env free": type(["i64"], []),
  "extism:host/env length": type(["i64"], ["i64"]),
  "extism:host/env load_u8": type(["i64"], ["i32"]),
  "extism:host/env store_u8": type(["i64", "i32"], []),
  "extism:host/env error_set": type(["i64"], []),
};

/** The functions that use the monotonic clock. */
const CLOCKS = ["clock_time_get", "poll_oneoff"].map((name) => `${WASI} ${name}`);
const isReplaced = ({ module, name }: Import) => stubOf(module, name, false) !== undefined;
const nameOf = ({ module, name }: Import) => `${module} ${name}`;

/**
 * @param initialize the index of `_initialize` in the module; undefined if it has none
 * @param debug true for a module for development
 */
export function layoutOf(module: Module, initialize: number | undefined, debug: boolean): Layout {
  const kept = module.imports.filter((one) => !isReplaced(one));
  const stubs = module.imports.flatMap((one) => {
    const stub = stubOf(one.module, one.name, debug);
    return stub === undefined ? [] : [{ name: nameOf(one), stub }];
  });
  const imports = [...kept, ...missingImports(kept, stubs)];
  const own = module.functions.slice(module.imports.length);
  const firstStub = imports.length + own.length;
  const needsVarint = stubs.some(({ stub }) => stub.needs.includes("kleidi:crypto random"));
  const keepsStderr = stubs.some(({ stub }) => stub.needs === STDERR_IMPORTS);
  const helpers = needsVarint ? [varint] : [];
  const firstWrapped = firstStub + stubs.length + helpers.length;
  const indexes = newIndexes(module, imports.length, firstStub);
  const indexOf = (index: number) => indexes[index] as number;
  const rpcs = module.exports.filter(({ name, kind }) => kind === "function" && name.startsWith("kleidi_"));
  const wrapped =
    initialize === undefined && !keepsStderr ? [] : [...new Set(rpcs.map(({ index }) => indexOf(index)))];
  const globals = globalsOf(needsVarint, stubs, keepsStderr, initialize !== undefined);
  const globalOf = (name: string) =>
    module.globals.length + globals.findIndex((global) => global.name === name);
  const typeOf = (index: number) => own[index - imports.length] ?? (imports[index] as Import).type;
  return {
    imports,
    functions: [
      ...own,
      ...stubs.map(({ stub }) => stub.type),
      ...helpers.map(() => VARINT),
      ...wrapped.map(typeOf),
    ],
    stubs,
    bodies: [...stubs.map(({ stub }) => stub.body), ...helpers],
    wrapped,
    initialize:
      initialize === undefined
        ? undefined
        : { function: indexOf(initialize), global: globalOf("initialized") },
    keepsStderr,
    ownGlobals: module.globals.length,
    globals,
    context: {
      function: (name) =>
        name === "varint" ? firstStub + stubs.length : imports.findIndex((one) => nameOf(one) === name),
      global: globalOf,
    },
    isIdentity: indexes.every((index, i) => index === i),
    indexOf,
    exported: (index) => {
      const place = wrapped.indexOf(indexOf(index));
      return place < 0 ? indexOf(index) : firstWrapped + place;
    },
  };
}

function missingImports(kept: readonly Import[], stubs: Layout["stubs"]): Import[] {
  const needed = [...new Set(stubs.flatMap(({ stub }) => stub.needs))];
  return needed
    .filter((name) => !kept.some((one) => nameOf(one) === name))
    .map((full) => {
      const [module = "", name = ""] = full.split(" ");
      return { module, name, kind: "function", type: IMPORT_TYPES[full] as FuncType };
    });
}

function newIndexes(module: Module, imports: number, firstStub: number): number[] {
  let [keptImports, stubs] = [0, 0];
  return module.functions.map((_, index) => {
    if (index >= module.imports.length) return index - module.imports.length + imports;
    return isReplaced(module.imports[index] as Import) ? firstStub + stubs++ : keptImports++;
  });
}

function globalsOf(
  needsVarint: boolean,
  stubs: Layout["stubs"],
  keepsStderr: boolean,
  initializes: boolean,
): Layout["globals"] {
  return [
    ...(needsVarint ? [{ name: "value", type: "i64" } as const] : []),
    ...(stubs.some(({ name }) => CLOCKS.includes(name)) ? [{ name: "ticks", type: "i64" } as const] : []),
    ...(keepsStderr
      ? [{ name: "text", type: "i64" } as const, { name: "filled", type: "i64" } as const]
      : []),
    ...(initializes ? [{ name: "initialized", type: "i32" } as const] : []),
  ];
}
