/**
 * Admission: decides whether the host may run a module. The file is read once. The same bytes are hashed, parsed, checked against
 * the manifest and the grants, rewritten with the limits, and returned for compilation.
 */

import { createHash } from "node:crypto";
import { KleidiError } from "../error.ts";
import type { KnownCapabilities } from "../host-call.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { ungranted } from "./authority.ts";
import { MAX_MODULE } from "./contract.ts";
import { type ExaminedModule, examine } from "./examine.ts";
import type { Manifest } from "./manifest.ts";
import type { TrustPolicy } from "./trust/policy.ts";
import { type TrustResult, trustModule } from "./trust/trust.ts";
import { HOST_MEMORY, importMemory } from "./wasm/import-memory.ts";
import { type Module, readModule } from "./wasm/module.ts";
import { clampLimits } from "./wasm/rewrite.ts";

/** A module that the host may run. */
export interface AdmittedModule extends ExaminedModule {
  /** The bytes to compile: the bytes of the file with the limits of the configuration, and with an imported memory. */
  readonly bytes: Uint8Array;
  /** The imports of `bytes`, in their order. */
  readonly imports: readonly { readonly module: string; readonly name: string }[];
  /** The memory that `bytes` import. */
  readonly memory: MemorySize;
  /** SHA-256 of the file, lower-case hex. */
  readonly sha256: string;
  /** The verified signatures. Absent without a trust policy. */
  readonly trusted?: TrustResult;
}

/** In pages of 64 KiB. */
export interface MemorySize {
  readonly initial: number;
  readonly maximum: number;
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

const PAGE = 65_536;

/**
 * Reads and admits the module of a provider.
 * @returns the module, ready to be compiled
 * @throws KleidiError digest-differs, module-untrusted, module-invalid or module-ungranted, checked in this order; `admissionFaults`
 * gives all of them
 */
export function admit(options: AdmitOptions): AdmittedModule {
  const { name, known } = options;
  const { bytes, sha256 } = readModuleFile(options);
  assertPinned(options, sha256);
  const trusted = trustOf(options, bytes, sha256);
  const examined = examine(name, bytes, known);
  assertGranted(options, examined.manifest);
  return {
    ...examined,
    ...withLimits(options, bytes, examined.module),
    sha256,
    ...(trusted && { trusted }),
  };
}

/** @throws KleidiError module-invalid */
export function readModuleFile({ name, module }: AdmitOptions): { bytes: Uint8Array; sha256: string } {
  const bytes = readRegular(module, MAX_MODULE);
  if (bytes instanceof FileFault)
    throw new KleidiError(
      "module-invalid/file",
      `Cannot load provider "${name}": ${module} ${bytes.text}`,
      bytes.cause,
    );
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** @throws KleidiError digest-differs */
export function assertPinned({ name, module, sha256: pinned }: AdmitOptions, sha256: string): void {
  if (sha256 === pinned) return;
  const found = `the sha256 of ${module} is ${sha256}, the configuration pins ${pinned}`;
  throw new KleidiError("digest-differs", `Cannot load provider "${name}": ${found}`);
}

/** @throws KleidiError module-untrusted */
export function trustOf(options: AdmitOptions, bytes: Uint8Array, sha256: string): TrustResult | undefined {
  return options.trust && trustModule(options.trust, options, bytes, sha256);
}

/** @throws KleidiError module-ungranted */
export function assertGranted({ name, grants, known, grantLine }: AdmitOptions, manifest: Manifest): void {
  const missing = ungranted(manifest, grants, known);
  if (missing.length > 0) throw ungrantedError(name, manifest, missing, grantLine);
}

/**
 * Makes the bytes to compile, with the limits and an imported memory.
 * @throws KleidiError module-invalid
 */
export function withLimits(
  { name, limits: { memoryBytes, tableEntries } }: Pick<AdmitOptions, "name" | "limits">,
  bytes: Uint8Array,
  module: Module,
): Pick<AdmittedModule, "bytes" | "imports" | "memory"> {
  try {
    const memoryPages = Math.floor(memoryBytes / PAGE);
    const clamped = clampLimits(bytes, module, { memoryPages, tableEntries });
    const limited = readModule(clamped);
    const { min = 0, max = 0 } = limited.memories[0] ?? {};
    return {
      bytes: importMemory(clamped, limited),
      imports: [...module.imports, HOST_MEMORY],
      memory: { initial: min, maximum: max },
    };
  } catch (error) {
    throw new KleidiError(
      "module-invalid/limits",
      `Cannot load provider "${name}": ${(error as Error).message} (limits.memory, limits.tableEntries)`,
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
