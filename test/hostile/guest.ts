/**
 * Assembles the guests of guests/. Each is a complete module in text, with three kinds of line for the assembler:
 *
 *     ;; its first comment: the attack, and the required result
 *     ;;! requests keystore seal in encrypt decrypt      a row of its manifest
 *     ;;! honest                                         the place of guests/honest.wat, after the guest's own imports
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { withSection } from "../../sdk/assemblyscript/section.ts";
import { wasm } from "../support/wasm.ts";

const SOURCES = join(import.meta.dirname, "guests");
const OUT = resolve(import.meta.dirname, "../../.tmp/hostile");
const SECTION = "kleidi.provider";

export interface Row {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly string[];
  readonly why: string;
}

/** The path of a guest's module under .tmp/hostile. */
export function guest(name: string): string {
  const text = readFileSync(join(SOURCES, `${name}.wat`), "utf8");
  const requests = [...text.matchAll(/^;;! requests (\S+) (\S+) in (.+)$/gm)].map(
    ([, capability = "", operation = "", rpcs = ""]): Row => ({
      capability,
      operations: [operation],
      rpcs: rpcs.split(" "),
      why: "an attack",
    }),
  );
  return write(name, withManifest(assemble(text), manifest(requests)));
}

/** A module from text, without its manifest. */
export function assemble(text: string): Uint8Array {
  const honest = readFileSync(join(SOURCES, "honest.wat"), "utf8");
  return wasm(text.replace(/^ *;;! honest$/m, () => honest));
}

export function manifest(capabilities: readonly Row[] = []): string {
  return JSON.stringify({ abi: 1, name: "hostile", version: "0.1.0", capabilities });
}

export function withManifest(module: Uint8Array, text: string | Uint8Array): Uint8Array {
  return withSection(module, SECTION, Buffer.from(text));
}

/** Writes a module to a place where a sandbox can start it. */
export function write(name: string, module: Uint8Array): string {
  mkdirSync(OUT, { recursive: true });
  // test files run concurrently, and some use the same guests
  const path = join(OUT, `${name}-${process.pid}.wasm`);
  writeFileSync(path, module);
  return path;
}
