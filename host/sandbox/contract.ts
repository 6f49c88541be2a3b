/** What a provider's module must look like from outside (docs/ABI.md, sections 1, 3 and 5): exports, imports, and their types. */
import type { Export, FuncType, Import, ModuleOutline, ValType } from "./wasm/module.ts";

/** In this order; the export of an RPC is "kleidi_" and its name. */
const EXPORTS = ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"];
const EXTISM = "extism:host/env";
export const KLEIDI = "kleidi:";

const type = (params: readonly ValType[], results: readonly ValType[]): FuncType => ({ params, results });

const RPC = type([], ["i32"]);
const HOST_CALL = type(["i64"], ["i64"]);
/** Extism's memory functions; the rest of its namespace does not exist here. */
const MEMORY_FUNCTIONS = new Map<string, FuncType>([
  ["input_offset", type([], ["i64"])],
  ["input_length", type([], ["i64"])],
  ["input_load_u8", type(["i64"], ["i32"])],
  ["input_load_u64", type(["i64"], ["i64"])],
  ["alloc", type(["i64"], ["i64"])],
  ["free", type(["i64"], [])],
  ["length", type(["i64"], ["i64"])],
  ["length_unsafe", type(["i64"], ["i64"])],
  ["load_u8", type(["i64"], ["i32"])],
  ["load_u64", type(["i64"], ["i64"])],
  ["store_u8", type(["i64", "i32"], [])],
  ["store_u64", type(["i64", "i64"], [])],
  ["output_set", type(["i64", "i64"], [])],
  ["error_set", type(["i64"], [])],
  ["error_get", type([], ["i64"])],
]);

/** The first thing that is not as the contract has it, as the second half of a sentence. */
export function contractFault(module: ModuleOutline): string | undefined {
  for (const entry of module.imports) {
    const fault = importFault(entry);
    if (fault !== undefined) return `it imports ${describe(entry)}${fault}`;
  }
  for (const name of EXPORTS) {
    const fault = exportFault(name, module.exports);
    if (fault !== undefined) return fault;
  }
  if (!module.exports.some(({ name, kind }) => name === "memory" && kind === "memory")) {
    return 'its module does not export its memory as "memory"';
  }
  if (module.tables.length > 1) return `its module has ${module.tables.length} tables, at most 1 is allowed`;
  return undefined;
}

function importFault({ module, name, type }: Import): string | undefined {
  if (module === EXTISM) {
    const wanted = MEMORY_FUNCTIONS.get(name);
    if (wanted === undefined) return "; of Extism there are only the memory functions";
    return typeFault(type, wanted);
  }
  if (!module.startsWith(KLEIDI)) return `; only ${EXTISM} and ${KLEIDI}* can be imported`;
  return typeFault(type, HOST_CALL);
}

function exportFault(name: string, exports: readonly Export[]): string | undefined {
  const found = exports.find((entry) => entry.name === name && entry.kind === "function");
  if (found === undefined) return `its module does not export the function ${name}`;
  const fault = typeFault(found.type, RPC);
  return fault === undefined ? undefined : `it exports the function ${name}${fault}`;
}

function typeFault(actual: FuncType | undefined, wanted: FuncType): string | undefined {
  const said = actual === undefined ? "no type" : show(actual);
  return said === show(wanted) ? undefined : ` of type ${said}, it should be ${show(wanted)}`;
}

function show({ params, results }: FuncType): string {
  return `(${params.slice(0, 8).join(" ")}) → (${results.slice(0, 8).join(" ")})`;
}

function describe({ module, name, kind }: Import): string {
  return `the ${kind} "${printable(name)}" from "${printable(module)}"`;
}

/** What a module says of itself, fit for a terminal and a log line. */
export function printable(text: string): string {
  return text.slice(0, 64).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
}
