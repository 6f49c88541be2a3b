/** Modules for tests of inspect and diff: valid modules with the contents that a test needs. */

import { createHash } from "node:crypto";
import { KNOWN } from "../../host/capabilities/registry.ts";
import { type InspectContext, inspect, type Report } from "../../host/inspect/report.ts";
import { customSection, wasm } from "./wasm.ts";

export interface Row {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly string[];
  readonly why: string;
}

export interface Guest {
  /** WAT fields: imports, then functions `$status`, `$encrypt`, `$decrypt` and their helpers; absent: they do nothing. */
  readonly imports?: string;
  readonly fields?: string;
  readonly bodies?: Partial<Record<"status" | "encrypt" | "decrypt" | "provision", string>>;
  readonly memory?: string;
  readonly rows?: readonly Row[];
  readonly name?: string;
  readonly version?: string;
  /** In place of the manifest. */
  readonly manifest?: string | Uint8Array;
  /** Custom sections after it. */
  readonly sections?: readonly (readonly number[])[];
}

export function guest(options: Guest = {}): Uint8Array {
  const { imports = "", fields = "", bodies = {}, memory = "1 4", rows = [], sections = [] } = options;
  const { name = "guest", version = "1.0.0" } = options;
  const functions = Object.entries({ status: "", encrypt: "", decrypt: "", ...bodies }).map(
    ([rpc, body]) => `(func (export "kleidi_${rpc}") (result i32) ${body} (i32.const 0))`,
  );
  const module = wasm(
    `(module ${imports} (memory (export "memory") ${memory}) ${fields} ${functions.join("\n")})`,
  );
  const manifest = options.manifest ?? JSON.stringify({ abi: 1, name, version, capabilities: rows });
  return Uint8Array.from([
    ...module,
    ...customSection("kleidi.provider", ...Buffer.from(manifest)),
    ...sections.flat(),
  ]);
}

/** An import of a host call, called by `call(name)`. */
export function hostCall(capability: string, operation: string): string {
  return `(import "kleidi:${capability}" "${operation}" (func $${capability}.${operation} (param i64) (result i64)))`;
}

export function call(capability: string, operation: string): string {
  return `(drop (call $${capability}.${operation} (i64.const 0)))`;
}

export function row(capability: string, operation: string, ...rpcs: string[]): Row {
  return { capability, operations: [operation], rpcs, why: "for a test" };
}

export const LIMITS = { memoryBytes: 16 << 20, tableEntries: 16_384 };

export function inspected(
  bytes: Uint8Array,
  context: Partial<InspectContext> = {},
  path = "guest.wasm",
): Report {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return inspect(
    { path, bytes, size: bytes.length, sha256 },
    { known: KNOWN, limits: LIMITS, signatures: [], ...context },
  );
}

/** The rows of the table that are not good: the check and its finding. */
export function found({ verdicts }: Report): string[] {
  return verdicts
    .filter(({ severity }) => severity !== "ok")
    .map(({ check, severity, actual }) => `${severity} ${check}: ${actual}`);
}
