/**
 * Decides whether a module may be run at all, from the same bytes that are run: they are read once, hashed, read as a module,
 * held against manifest and grants, given their limits, and handed on.
 */

import { createHash } from "node:crypto";
import { KleidiError } from "../error.ts";
import { type KnownCapabilities, RPCS } from "../host-call.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { type Authority, authorityFaults, authorityOf, ungranted } from "./authority.ts";
import { contractFaults, MAX_MODULE } from "./contract.ts";
import { type Manifest, manifestSection, parseManifest } from "./manifest.ts";
import type { TrustPolicy } from "./trust/policy.ts";
import { type TrustedBy, trustModule } from "./trust/trust.ts";
import { type Module, readModule } from "./wasm/module.ts";
import { reach } from "./wasm/reach.ts";
import { clampLimits } from "./wasm/rewrite.ts";

export interface Examined {
  readonly manifest: Manifest;
  readonly module: Module;
  /** What each RPC can ask the host for; the manifest says the same. */
  readonly authority: readonly Authority[];
}

export interface Admitted extends Examined {
  /** What is compiled: the file's bytes with its limits written in. */
  readonly bytes: Uint8Array;
  /** Of the file. */
  readonly sha256: string;
  /** Absent without a policy. */
  readonly trusted?: TrustedBy;
}

export interface AdmitOptions {
  readonly name: string;
  readonly module: string;
  readonly sha256: string;
  readonly signatures?: readonly string[];
  /** The configuration's `trust`; without it no signatures are looked at. */
  readonly trust?: TrustPolicy | undefined;
  readonly limits: { readonly memoryBytes: number; readonly tableEntries: number };
  readonly grants: Readonly<Record<string, unknown>>;
  readonly known: KnownCapabilities;
  /** The line of the configuration that would grant these operations of a capability. */
  readonly grantLine: (capability: string, operations: readonly string[]) => string;
}

const MAX_SAID = 1200;
const PAGE = 65_536;

/** @throws KleidiError module-invalid, module-ungranted, module-untrusted, digest-differs */
export function admit(options: AdmitOptions): Admitted {
  const { name, trust, limits, grants, known, grantLine } = options;
  const { bytes, sha256 } = readPinned(options);
  const trusted = trust && { trusted: trustModule(trust, options, bytes, sha256) };
  const examined = examine(name, bytes, known);
  const missing = ungranted(examined.manifest, grants, known);
  if (missing.length > 0) throw notGranted(name, examined.manifest, missing, grantLine);
  return { ...examined, bytes: limited(name, bytes, examined.module, limits), sha256, ...trusted };
}

/** @throws KleidiError module-invalid, digest-differs */
function readPinned({ name, module, sha256: pinned }: AdmitOptions): { bytes: Uint8Array; sha256: string } {
  const action = `Cannot load provider "${name}"`;
  const bytes = readRegular(module, MAX_MODULE);
  if (bytes instanceof FileFault)
    throw new KleidiError("module-invalid", `${action}: ${module} ${bytes.text}`, bytes.cause);
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
 * All that can be known of a module without running it and without a configuration.
 * @param known the capabilities of this host
 * @throws KleidiError module-invalid
 */
export function examine(provider: string, bytes: Uint8Array, known: KnownCapabilities): Examined {
  const action = `Cannot load provider "${provider}"`;
  if (bytes.length > MAX_MODULE) {
    throw invalid(`${action}: its module is ${bytes.length} bytes, at most ${MAX_MODULE} are allowed`);
  }
  let module: Module;
  try {
    module = readModule(bytes);
  } catch (error) {
    throw invalid(`${action}: its module cannot be read as WebAssembly: ${(error as Error).message}`);
  }
  const section = manifestSection(module.customSections);
  if (typeof section === "string") throw invalid(`${action}: ${section}`);
  const manifest = parseManifest(provider, section);
  const [fault] = contractFaults(module);
  if (fault !== undefined) throw invalid(`${action}: ${fault.what}`);
  const reached = reach(module);
  const authority = authorityOf(reached, RPCS);
  const faults = authorityFaults(manifest, reached, authority, known);
  if (faults.length > 0) throw invalid(`${action}: ${faults.join("; ").slice(0, MAX_SAID)}`);
  return { manifest, module, authority };
}

function limited(
  provider: string,
  bytes: Uint8Array,
  module: Module,
  { memoryBytes, tableEntries }: AdmitOptions["limits"],
): Uint8Array {
  try {
    return clampLimits(bytes, module, { memoryPages: Math.floor(memoryBytes / PAGE), tableEntries });
  } catch (error) {
    throw invalid(
      `Cannot load provider "${provider}": ${(error as Error).message} (limits.memory, limits.tableEntries)`,
    );
  }
}

function notGranted(
  provider: string,
  manifest: Manifest,
  capabilities: readonly string[],
  grantLine: AdmitOptions["grantLine"],
): KleidiError {
  const asked = manifest.capabilities
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
      `Cannot load provider "${provider}": its module requests what the configuration does not grant:`,
      ...asked,
      "If it may have that, write:",
      "providers:",
      `  ${provider}:`,
      "    grants:",
      ...lines,
    ].join("\n"),
  );
}

function invalid(message: string): KleidiError {
  return new KleidiError("module-invalid", message);
}
