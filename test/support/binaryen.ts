/** A module as Binaryen reads it: an independent reader to compare with the host's. */
import binaryen from "binaryen";

export interface Seen {
  readonly imports: readonly { module: string; name: string; type: Signature }[];
  readonly exports: readonly { name: string; kind: string; type?: Signature }[];
  readonly memories: readonly Range[];
  readonly tables: readonly Range[];
  readonly start: readonly string[];
  /** The imports that each exported function reaches: `module.name`, sorted. */
  readonly reach: Readonly<Record<string, readonly string[]>>;
}

interface Signature {
  readonly params: readonly string[];
  readonly results: readonly string[];
}

interface Range {
  readonly min: number;
  readonly max?: number;
}

const KINDS = ["function", "table", "memory", "global"];
const TYPES = new Map<number, string>([
  [binaryen.i32, "i32"],
  [binaryen.i64, "i64"],
  [binaryen.f32, "f32"],
  [binaryen.f64, "f64"],
  [binaryen.v128, "v128"],
  [binaryen.funcref, "funcref"],
  [binaryen.externref, "externref"],
]);
/** The maximum of an unlimited table. */
const UNLIMITED = 0xffff_ffff;

/** Binaryen refers to the functions by name. */
export function seenByBinaryen(bytes: Uint8Array): Seen {
  const module = binaryen.readBinaryWithFeatures(bytes, binaryen.Features.All);
  try {
    return describe(module);
  } finally {
    module.dispose();
  }
}

function describe(module: binaryen.Module): Seen {
  const functions = new Map(
    range(module.getNumFunctions()).map((i) => {
      const info = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
      return [info.name, info] as const;
    }),
  );
  const exports = range(module.getNumExports()).map((i) =>
    binaryen.getExportInfo(module.getExportByIndex(i)),
  );
  const tables = range(module.getNumTables()).map((i) => binaryen.getTableInfo(module.getTableByIndex(i)));
  const { graph, inTable } = readText(module.emitText());
  if (exports.some(({ kind }) => kind === binaryen.ExternalTable)) {
    for (const { kind, value } of exports) if (kind === binaryen.ExternalFunction) inTable.add(value);
  }
  const reachedFrom = (first: string): string[] => {
    const seen = new Set([first]);
    for (const name of seen) {
      const of = graph.get(name);
      for (const callee of [...(of?.calls ?? []), ...(of?.named ?? [])]) seen.add(callee);
      if (of?.indirect) for (const callee of inTable) seen.add(callee);
    }
    const imports = [...seen].map((name) => functions.get(name)).filter((info) => info?.base);
    return [...new Set(imports.map((info) => `${info?.module}.${info?.base}`))].sort();
  };
  const start = module.getStart();
  return {
    imports: [...functions.values()]
      .filter(({ base }) => base)
      .map((info) => ({ module: info.module ?? "", name: info.base ?? "", type: signature(info) })),
    exports: exports.map(({ name, kind, value }) => {
      const info = kind === binaryen.ExternalFunction ? functions.get(value) : undefined;
      return { name, kind: KINDS[kind] ?? String(kind), ...(info && { type: signature(info) }) };
    }),
    memories: module.hasMemory() ? [limits(module.getMemoryInfo())] : [],
    tables: tables.map(limits),
    start: start === 0 ? [] : reachedFrom(binaryen.getFunctionInfo(start).name),
    reach: Object.fromEntries(
      exports
        .filter(({ kind }) => kind === binaryen.ExternalFunction)
        .map(({ name, value }) => [name, reachedFrom(value)]),
    ),
  };
}

interface Called {
  readonly calls: Set<string>;
  readonly named: Set<string>;
  indirect: boolean;
}

const FIELD = /^ \((\S+)(?: \$("[^"]*"|[^\s()]+))?/;
const INSTRUCTION = /\((call|return_call|ref\.func|call_indirect|return_call_indirect) \$("[^"]*"|[^\s()]+)/g;

/**
 * Binaryen's text has one field of the module after each line break and space, and every instruction in parentheses with the name that it
 * refers to. (Its API cannot describe every instruction: it fails on memory.copy.)
 */
function readText(text: string): { graph: Map<string, Called>; inTable: Set<string> } {
  const graph = new Map<string, Called>();
  const inTable = new Set<string>();
  for (const field of text.split(/\n(?= \()/)) {
    const [head = "", kind, name = ""] = FIELD.exec(field) ?? [];
    // without the names of the segment itself and of its table
    const entries = field.slice(head.length).replace(/\(table [^)]*\)/, "");
    if (kind === "elem") for (const [, entry] of entries.matchAll(/\$([^\s()]+)/g)) inTable.add(bare(entry));
    const found: Called = { calls: new Set(), named: new Set(), indirect: false };
    for (const [, instruction, target] of field.matchAll(INSTRUCTION)) {
      if (instruction?.endsWith("indirect")) found.indirect = true;
      else if (instruction === "ref.func") found.named.add(bare(target));
      else found.calls.add(bare(target));
    }
    for (const each of found.named) inTable.add(each);
    if (kind === "func") graph.set(bare(name), found);
  }
  return { graph, inTable };
}

function bare(name = ""): string {
  return name.replaceAll('"', "");
}

function signature({ params, results }: { params: number; results: number }): Signature {
  const names = (type: number) => binaryen.expandType(type).map((each) => TYPES.get(each) ?? String(each));
  return { params: names(params), results: names(results) };
}

function limits({ initial, max }: { initial: number; max?: number | undefined }): Range {
  return max === undefined || max === UNLIMITED ? { min: initial } : { min: initial, max };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
