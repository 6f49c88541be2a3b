/**
 * Admission: decides whether the host may run a module. The file is read once. The same bytes are hashed, parsed, checked against
 * the manifest and the grants, rewritten with the limits, and returned for compilation.
 */

import { createHash } from "node:crypto";
import { KleidiError } from "../error.ts";
import { type KnownCapabilities, RPCS } from "../host-call.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { type Authority, authorityFaults, authorityOf, ungranted } from "./authority.ts";
import { contractFaults, MAX_MODULE } from "./contract.ts";
import { type Manifest, manifestSection, parseManifest } from "./manifest.ts";
import type { TrustPolicy } from "./trust/policy.ts";
import { type TrustResult, trustModule } from "./trust/trust.ts";
import { type Module, readModule } from "./wasm/module.ts";
import { reach } from "./wasm/reach.ts";
import { clampLimits } from "./wasm/rewrite.ts";

/** A module that fulfils the provider contract (docs/ABI.md). */
export interface ExaminedModule {
  readonly manifest: Manifest;
  readonly module: Module;
  /** The host calls that each RPC can reach; equal to the requests of the manifest. */
  readonly authority: readonly Authority[];
}

/** A module that the host may run. */
export interface AdmittedModule extends ExaminedModule {
  /** The bytes to compile: the bytes of the file with the limits of the configuration. */
  readonly bytes: Uint8Array;
  /** SHA-256 of the file, lower-case hex. */
  readonly sha256: string;
  /** The verified signatures. Absent without a trust policy. */
  readonly trusted?: TrustResult;
}

export interface AdmitOptions {
  /** The provider's name in the configuration. */
  readonly name: string;
  /** Path of the module. */
  readonly module: string;
  /** The pinned SHA-256 of the module, lower-case hex. */
  readonly sha256: string;
  /** Paths of the signature files. Absent: the module's path with `.minisig` appended. */
  readonly signatures?: readonly string[];
  /** The configuration's `trust`; without it no signatures are checked. */
  readonly trust?: TrustPolicy | undefined;
  readonly limits: { readonly memoryBytes: number; readonly tableEntries: number };
  /** The granted capabilities, by name. */
  readonly grants: Readonly<Record<string, unknown>>;
  /** The capabilities of this host. */
  readonly known: KnownCapabilities;
  /** Returns the line of the configuration that grants these operations of a capability. */
  readonly grantLine: (capability: string, operations: readonly string[]) => string;
}

/** Characters of the listed faults in one error message. */
const MAX_FAULTS_TEXT = 1200;
const PAGE = 65_536;

/**
 * Reads and admits the module of a provider.
 * @returns the module, ready to be compiled
 * @throws KleidiError digest-differs, module-untrusted, module-invalid or module-ungranted, checked in this order
 */
export function admit(options: AdmitOptions): AdmittedModule {
  const { name, trust, limits, grants, known, grantLine } = options;
  const { bytes, sha256 } = readPinned(options);
  const trusted = trust && { trusted: trustModule(trust, options, bytes, sha256) };
  const examined = examine(name, bytes, known);
  const missing = ungranted(examined.manifest, grants, known);
  if (missing.length > 0) throw ungrantedError(name, examined.manifest, missing, grantLine);
  return { ...examined, bytes: withLimits(name, bytes, examined.module, limits), sha256, ...trusted };
}

/** @throws KleidiError module-invalid, digest-differs */
function readPinned({ name, module, sha256: pinned }: AdmitOptions): { bytes: Uint8Array; sha256: string } {
  const action = `Cannot load provider "${name}"`;
  const bytes = readRegular(module, MAX_MODULE);
  if (bytes instanceof FileFault)
    throw new KleidiError("module-invalid/file", `${action}: ${module} ${bytes.text}`, bytes.cause);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== pinned) {
    throw new KleidiError(
      "digest-differs",
      `${action}: the sha256 of ${module} is ${sha256}, the configuration pins ${pinned}`,
    );
  }
  return { bytes, sha256 };
}

/**
 * Checks a module against the provider contract, without running it and without a configuration.
 * @param provider the name used in error messages
 * @param bytes the whole module; at most 32 MiB are accepted
 * @param known the capabilities of this host
 * @throws KleidiError module-invalid, with the byte offset if the module cannot be parsed
 */
export function examine(provider: string, bytes: Uint8Array, known: KnownCapabilities): ExaminedModule {
  const action = `Cannot load provider "${provider}"`;
  if (bytes.length > MAX_MODULE) {
    throw moduleInvalid(`${action}: its module is ${bytes.length} bytes, at most ${MAX_MODULE} are allowed`);
  }
  let module: Module;
  try {
    module = readModule(bytes);
  } catch (error) {
    throw moduleInvalid(`${action}: its module cannot be read as WebAssembly: ${(error as Error).message}`);
  }
  const section = manifestSection(module.customSections);
  if (typeof section === "string") throw moduleInvalid(`${action}: ${section}`);
  const manifest = parseManifest(provider, section);
  const broken = contractFaults(module).map(({ message }) => message);
  if (broken.length > 0) throw moduleInvalid(`${action}: ${broken.join("; ").slice(0, MAX_FAULTS_TEXT)}`);
  const reached = reach(module);
  const authority = authorityOf(reached, RPCS);
  const faults = authorityFaults(manifest, reached, authority, known);
  if (faults.length > 0) throw moduleInvalid(`${action}: ${faults.join("; ").slice(0, MAX_FAULTS_TEXT)}`);
  return { manifest, module, authority };
}

function withLimits(
  provider: string,
  bytes: Uint8Array,
  module: Module,
  { memoryBytes, tableEntries }: AdmitOptions["limits"],
): Uint8Array {
  try {
    return clampLimits(bytes, module, { memoryPages: Math.floor(memoryBytes / PAGE), tableEntries });
  } catch (error) {
    throw new KleidiError(
      "module-invalid/limits",
      `Cannot load provider "${provider}": ${(error as Error).message} (limits.memory, limits.tableEntries)`,
    );
  }
}

function ungrantedError(
  provider: string,
  manifest: Manifest,
  capabilities: readonly string[],
  grantLine: AdmitOptions["grantLine"],
): KleidiError {
  const requests = manifest.capabilities
    .filter(({ capability }) => capabilities.includes(capability))
    .map(
      ({ capability, operations, rpcs, why }) =>
        `  ${capability} ${operations.join(", ")} in ${rpcs.join(", ")}: "${why}"`,
    );
  const lines = capabilities.map((capability) => {
    const rows = manifest.capabilities.filter((row) => row.capability === capability);
    return `      ${grantLine(capability, [...new Set(rows.flatMap(({ operations }) => operations))])}`;
  });
  return new KleidiError(
    "module-ungranted",
    [
      `Cannot load provider "${provider}": its module requests capabilities that the configuration does not grant:`,
      ...requests,
      "To grant them, add:",
      "providers:",
      `  ${provider}:`,
      "    grants:",
      ...lines,
    ].join("\n"),
  );
}

function moduleInvalid(message: string): KleidiError {
  return new KleidiError("module-invalid/contract", message);
}
