/** What a provider's module must look like from outside (docs/ABI.md, sections 1, 3 and 5): exports, imports, and their types. */
import { replaceControls } from "../lib/text.ts";
import type { Export, FuncType, Import, ModuleOutline, ValType } from "./wasm/module.ts";

/** In this order; the export of an RPC is "kleidi_" and its name. */
const EXPORTS = ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"];
const EXTISM = "extism:host/env";
export const KLEIDI = "kleidi:";

/** In bytes. */
export const MAX_MODULE = 32 << 20;

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

export type ContractPart = "imports" | "exports" | "tables";

/** One thing that is not as the contract has it. */
export interface ContractFault {
  readonly part: ContractPart;
  /** The second half of a sentence. */
  readonly what: string;
}

/** Everything that is not as the contract has it, what is imported first. */
export function contractFaults(
  module: Pick<ModuleOutline, "imports" | "exports" | "tables">,
): ContractFault[] {
  const faults: ContractFault[] = module.imports.flatMap((entry) => {
    const fault = importFault(entry);
    return fault === undefined ? [] : [{ part: "imports", what: `it imports ${describe(entry)}${fault}` }];
  });
  for (const name of EXPORTS) {
    const what = exportFault(name, module.exports);
    if (what !== undefined) faults.push({ part: "exports", what });
  }
  if (!module.exports.some(({ name, kind }) => name === "memory" && kind === "memory")) {
    faults.push({ part: "exports", what: 'its module does not export its memory as "memory"' });
  }
  if (module.tables.length > 1) {
    const what = `its module has ${module.tables.length} tables, at most 1 is allowed`;
    faults.push({ part: "tables", what });
  }
  return faults;
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

export function show({ params, results }: FuncType): string {
  return `(${params.slice(0, 8).join(" ")}) → (${results.slice(0, 8).join(" ")})`;
}

function describe({ module, name, kind }: Import): string {
  return `the ${kind} "${printable(name)}" from "${printable(module)}"`;
}

/** What a module says of itself, fit for a terminal and a log line. */
export function printable(text: string): string {
  return replaceControls(text.slice(0, 64));
}
