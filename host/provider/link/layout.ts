/** The index spaces of a linked module: imports that stay, imports of the stubs, own functions, stubs, and the exports behind `_initialize`. */
import type { Import, Module } from "../../module/wasm/module.ts";
import type { FuncType, ValType } from "../../module/wasm/types.ts";
import { type RANDOM_IMPORTS, type StubContext, varint } from "./random.ts";
import { type Stub, stubOf, WASI } from "./wasi.ts";

export interface Layout {
  readonly imports: readonly Import[];
  /** The types of the functions that the linked module defines. */
  readonly functions: readonly FuncType[];
  readonly stubs: readonly { readonly name: string; readonly stub: Stub }[];
  /** The bodies of the functions behind the module's own, before those of `wrapped`. */
  readonly bodies: readonly ((context: StubContext) => Uint8Array)[];
  /** The functions that are exported behind `_initialize`, by their new index. */
  readonly wrapped: readonly number[];
  /** The new index of `_initialize`, and the global that says that it ran. */
  readonly initialize: { readonly function: number; readonly global: number } | undefined;
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
const IMPORT_TYPES: Readonly<Record<(typeof RANDOM_IMPORTS)[number], FuncType>> = {
  "kleidi:crypto random": type(["i64"], ["i64"]),
  "extism:host/env alloc": type(["i64"], ["i64"]),
  "extism:host/env free": type(["i64"], []),
  "extism:host/env length": type(["i64"], ["i64"]),
  "extism:host/env load_u8": type(["i64"], ["i32"]),
  "extism:host/env store_u8": type(["i64", "i32"], []),
};

const nameOf = ({ module, name }: Import) => `${module} ${name}`;

/** @param initialize the index of `_initialize` in the module; undefined if it has none */
export function layoutOf(module: Module, initialize: number | undefined): Layout {
  const kept = module.imports.filter((one) => stubOf(one.module, one.name) === undefined);
  const stubs = module.imports.flatMap((one) => {
    const stub = stubOf(one.module, one.name);
    return stub === undefined ? [] : [{ name: nameOf(one), stub }];
  });
  const imports = [...kept, ...missingImports(kept, stubs)];
  const own = module.functions.slice(module.imports.length);
  const firstStub = imports.length + own.length;
  const needsVarint = stubs.some(({ stub }) => stub.needs.length > 0);
  const helpers = needsVarint ? [varint] : [];
  const firstWrapped = firstStub + stubs.length + helpers.length;
  const indexes = newIndexes(module, imports.length, firstStub);
  const indexOf = (index: number) => indexes[index] as number;
  const rpcs = module.exports.filter(({ name, kind }) => kind === "function" && name.startsWith("kleidi_"));
  const wrapped = initialize === undefined ? [] : [...new Set(rpcs.map(({ index }) => indexOf(index)))];
  const globals = globalsOf(needsVarint, stubs, initialize !== undefined);
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
      const needed = IMPORT_TYPES[full as (typeof RANDOM_IMPORTS)[number]];
      return { module, name, kind: "function", type: needed };
    });
}

function newIndexes(module: Module, imports: number, firstStub: number): number[] {
  let [keptImports, stubs] = [0, 0];
  return module.functions.map((_, index) => {
    if (index >= module.imports.length) return index - module.imports.length + imports;
    const { module: from, name } = module.imports[index] as Import;
    return stubOf(from, name) === undefined ? keptImports++ : firstStub + stubs++;
  });
}

function globalsOf(needsVarint: boolean, stubs: Layout["stubs"], initializes: boolean): Layout["globals"] {
  return [
    ...(needsVarint ? [{ name: "value", type: "i64" } as const] : []),
    ...(stubs.some(({ name }) => name === `${WASI} clock_time_get`)
      ? [{ name: "ticks", type: "i64" } as const]
      : []),
    ...(initializes ? [{ name: "initialized", type: "i32" } as const] : []),
  ];
}
