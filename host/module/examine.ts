/** Checks a module against the provider contract (docs/ABI.md), without running it and without a configuration. */
import { KleidiError } from "../error.ts";
import { type KnownCapabilities, RPCS } from "../host-call.ts";
import { type Authority, authorityFaults, authorityOf } from "./authority.ts";
import { contractFaults, MAX_MODULE } from "./contract.ts";
import { type Manifest, manifestSection, parseManifest } from "./manifest.ts";
import { type Module, readModule } from "./wasm/module.ts";
import { reach } from "./wasm/reach.ts";

/** A module that fulfils the provider contract (docs/ABI.md). */
export interface ExaminedModule {
  readonly manifest: Manifest;
  readonly module: Module;
  /** The host calls that each RPC can reach; equal to the requests of the manifest. */
  readonly authority: readonly Authority[];
}

/** Characters of the listed faults in one error message. */
const MAX_FAULTS_TEXT = 1200;

/**
 * Checks a module against the provider contract.
 * @param provider the name used in error messages
 * @param bytes the whole module; at most 32 MiB are accepted
 * @param known the capabilities of this host
 * @throws KleidiError module-invalid, with the byte offset if the module cannot be parsed
 */
export function examine(provider: string, bytes: Uint8Array, known: KnownCapabilities): ExaminedModule {
  const module = parseModule(provider, bytes);
  const manifest = manifestOf(provider, module);
  assertContract(provider, module);
  return { manifest, module, authority: examineAuthority(provider, module, manifest, known) };
}

/** @throws KleidiError module-invalid */
export function parseModule(provider: string, bytes: Uint8Array): Module {
  if (bytes.length > MAX_MODULE) {
    throw moduleInvalid(provider, `its module is ${bytes.length} bytes, at most ${MAX_MODULE} are allowed`);
  }
  try {
    return readModule(bytes);
  } catch (error) {
    throw moduleInvalid(provider, `its module cannot be read as WebAssembly: ${(error as Error).message}`);
  }
}

/** @throws KleidiError module-invalid */
export function manifestOf(provider: string, { customSections }: Module): Manifest {
  const section = manifestSection(customSections);
  if (typeof section === "string") throw moduleInvalid(provider, section);
  return parseManifest(provider, section);
}

/** @throws KleidiError module-invalid, with every fault of imports, exports and tables */
export function assertContract(provider: string, module: Module): void {
  const faults = contractFaults(module).map(({ message }) => message);
  if (faults.length > 0) throw moduleInvalid(provider, faults.join("; ").slice(0, MAX_FAULTS_TEXT));
}

/**
 * Compares the manifest with the reach of the code.
 * @returns the host calls that each RPC can reach
 * @throws KleidiError module-invalid, with every difference
 */
export function examineAuthority(
  provider: string,
  module: Module,
  manifest: Manifest,
  known: KnownCapabilities,
): readonly Authority[] {
  const reached = reach(module);
  const authority = authorityOf(reached, RPCS);
  const faults = authorityFaults(manifest, reached, authority, known);
  if (faults.length > 0) throw moduleInvalid(provider, faults.join("; ").slice(0, MAX_FAULTS_TEXT));
  return authority;
}

/** @param why a clause about the module */
function moduleInvalid(provider: string, why: string): KleidiError {
  return new KleidiError("module-invalid/contract", `Cannot load provider "${provider}": ${why}`);
}
