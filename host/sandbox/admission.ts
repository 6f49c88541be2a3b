/**
 * Decides whether a module may be run at all, from the same bytes that are run: they are read once, hashed, read again as a
 * module, and handed on.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { KleidiError } from "../error.ts";
import { MANIFEST_SECTION, type Manifest, parseManifest } from "./manifest.ts";
import { type ModuleOutline, readModule } from "./wasm/module.ts";

export interface Admitted {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly manifest: Manifest;
}

const EXPORTS = ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"];
const MAX_MODULE = 32 << 20;
/** Extism's memory functions; the rest of its namespace does not exist here (docs/ABI.md, section 3). */
const MEMORY_FUNCTIONS = new Set(
  (
    "alloc free length length_unsafe load_u8 load_u64 store_u8 store_u64 input_offset input_length " +
    "input_load_u8 input_load_u64 output_set error_set error_get"
  ).split(" "),
);

/** @throws KleidiError module-invalid, digest-differs */
export function admit(provider: { name: string; module: string; sha256: string }): Admitted {
  const action = `Cannot load provider "${provider.name}"`;
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(provider.module);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new KleidiError(
      "module-invalid",
      `${action}: ${provider.module} cannot be read (${reason})`,
      error,
    );
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== provider.sha256) {
    throw new KleidiError(
      "digest-differs",
      `${action}: the sha256 of ${provider.module} is ${sha256}, the configuration pins ${provider.sha256}`,
    );
  }
  return { bytes, sha256, manifest: admitBytes(provider.name, bytes) };
}

/** @throws KleidiError module-invalid */
export function admitBytes(provider: string, bytes: Uint8Array): Manifest {
  const action = `Cannot load provider "${provider}"`;
  if (bytes.length > MAX_MODULE) {
    throw invalid(`${action}: its module is ${bytes.length} bytes, at most ${MAX_MODULE} are allowed`);
  }
  let outline: ModuleOutline;
  try {
    outline = readModule(bytes);
  } catch (error) {
    throw invalid(`${action}: its module cannot be read as WebAssembly: ${(error as Error).message}`);
  }
  const [section, ...others] = outline.customSections.filter(({ name }) => name === MANIFEST_SECTION);
  if (section === undefined)
    throw invalid(`${action}: its module has no manifest (custom section ${MANIFEST_SECTION})`);
  if (others.length > 0)
    throw invalid(`${action}: its module has ${others.length + 1} manifests, 1 is allowed`);
  const manifest = parseManifest(provider, section.bytes);
  checkImports(action, outline, manifest);
  checkExports(action, outline);
  checkMemory(action, outline);
  return manifest;
}

function checkMemory(action: string, { memories }: ModuleOutline): void {
  if (memories.length !== 1) {
    throw invalid(`${action}: its module has ${memories.length} memories of its own, 1 is allowed`);
  }
  if (memories[0]?.shared) throw invalid(`${action}: its module's memory is shared, which is not allowed`);
}

function checkExports(action: string, { exports }: ModuleOutline): void {
  for (const name of EXPORTS) {
    if (!exports.some((entry) => entry.name === name && entry.kind === "function")) {
      throw invalid(`${action}: its module does not export the function ${name}`);
    }
  }
  if (!exports.some((entry) => entry.name === "memory" && entry.kind === "memory")) {
    throw invalid(`${action}: its module does not export its memory as "memory"`);
  }
}

function checkImports(action: string, { imports }: ModuleOutline, manifest: Manifest): void {
  for (const { module, name, kind } of imports) {
    const what = `the ${kind} "${printable(name)}" from "${printable(module)}"`;
    if (kind !== "function") throw invalid(`${action}: it imports ${what}; only functions can be imported`);
    if (module === "extism:host/env") {
      if (!MEMORY_FUNCTIONS.has(name)) {
        throw invalid(`${action}: it imports ${what}; of Extism there are only the memory functions`);
      }
      continue;
    }
    if (!module.startsWith("kleidi:")) {
      throw invalid(`${action}: it imports ${what}; only extism:host/env and kleidi:* can be imported`);
    }
    const capability = module.slice("kleidi:".length);
    const declared = manifest.capabilities.some(
      (row) => row.capability === capability && row.operations.includes(name),
    );
    if (!declared) throw invalid(`${action}: it imports ${what}, which its manifest does not request`);
  }
}

/** What a module says of itself, fit for a terminal and a log line. */
function printable(text: string): string {
  return text.slice(0, 64).replace(/\p{Cc}/gu, "\ufffd");
}

function invalid(message: string): KleidiError {
  return new KleidiError("module-invalid", message);
}
