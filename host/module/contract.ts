/** The contract of a provider module (docs/ABI.md, sections 1, 3 and 5): its exports, its imports and their types. Pure. */
import { replaceControls } from "../lib/text.ts";
import type { Export, FuncType, Import, ModuleOutline, ValType } from "./wasm/module.ts";

/** The required RPC exports, in the order of the error messages. */
const EXPORTS = ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"];
const EXTISM = "extism:host/env";
/** Prefix of the import namespace of every capability. */
export const KLEIDI = "kleidi:";

/** Maximum size of a module in bytes. */
export const MAX_MODULE = 32 << 20;

const type = (params: readonly ValType[], results: readonly ValType[]): FuncType => ({ params, results });

const RPC = type([], ["i32"]);
const HOST_CALL = type(["i64"], ["i64"]);
/** Extism's memory functions, the only functions of its namespace that the host provides. */
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

/** One violation of the contract. */
export interface ContractFault {
  readonly part: ContractPart;
  /** A clause about the module, such as `its module has 2 tables, at most 1 is allowed`. */
  readonly message: string;
}

/** Returns all violations of the contract: imports first, then exports, then tables. */
export function contractFaults(
  module: Pick<ModuleOutline, "imports" | "exports" | "tables">,
): ContractFault[] {
  const faults: ContractFault[] = module.imports.flatMap((entry) => {
    const fault = importFault(entry);
    return fault === undefined ? [] : [{ part: "imports", message: `it imports ${describe(entry)}${fault}` }];
  });
  for (const name of EXPORTS) {
    const message = exportFault(name, module.exports);
    if (message !== undefined) faults.push({ part: "exports", message });
  }
  if (!module.exports.some(({ name, kind }) => name === "memory" && kind === "memory")) {
    faults.push({ part: "exports", message: 'its module does not export its memory as "memory"' });
  }
  if (module.tables.length > 1) {
    const message = `its module has ${module.tables.length} tables, at most 1 is allowed`;
    faults.push({ part: "tables", message });
  }
  return faults;
}

function importFault({ module, name, type }: Import): string | undefined {
  if (module === EXTISM) {
    const expected = MEMORY_FUNCTIONS.get(name);
    if (expected === undefined) return "; extism:host/env provides only its memory functions";
    return typeFault(type, expected);
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

function typeFault(actual: FuncType | undefined, expected: FuncType): string | undefined {
  const found = actual === undefined ? "unknown" : formatType(actual);
  return found === formatType(expected) ? undefined : ` of type ${found}, expected ${formatType(expected)}`;
}

/**
 * Formats a function type; at most 8 parameters and 8 results are shown.
 * @example formatType({ params: ["i64"], results: ["i32"] }) === "(i64) → (i32)"
 */
export function formatType({ params, results }: FuncType): string {
  return `(${params.slice(0, 8).join(" ")}) → (${results.slice(0, 8).join(" ")})`;
}

function describe({ module, name, kind }: Import): string {
  return `the ${kind} "${printable(name)}" from "${printable(module)}"`;
}

/** Makes a name from a module safe for a terminal and a log line: at most 64 UTF-16 units, control characters replaced by U+FFFD. */
export function printable(text: string): string {
  return replaceControls(text.slice(0, 64));
}
