/**
 * Builds the report on a module without running or compiling it. Pure; never throws. Text from the module is bounded but not escaped:
 * the renderers escape it.
 */
import { type KnownCapabilities, RPCS, type Rpc } from "../host-call.ts";
import { cutWithLength } from "../lib/text.ts";
import { type Authority, authorityOf, requestsOf } from "../module/authority.ts";
import { formatType, MAX_MODULE } from "../module/contract.ts";
import { manifestSection, readManifest } from "../module/manifest.ts";
import { type PartialModule, readPartialModule } from "../module/wasm/module.ts";
import { type Reach, reach } from "../module/wasm/reach.ts";
import { callsOf, type RpcCalls } from "./calls.ts";
import type { InstanceLimits, ManifestResult, Severity, Verdict } from "./check.ts";
import { type Producer, producersOf } from "./producers.ts";
import { type SectionHeader, sectionHeadersOf } from "./section-headers.ts";
import { verdictsOf, worst } from "./verdicts.ts";

/** A module's file. */
export interface ModuleFile {
  readonly path: string;
  /** The file; of a file over the maximum module size only its beginning. */
  readonly bytes: Uint8Array;
  /** Size of the whole file in bytes. */
  readonly size: number;
  /** SHA-256 of the whole file, lower-case hex. */
  readonly sha256: string;
}

/** A signature file beside the module, not verified. */
export type UnverifiedSignature =
  | { readonly path: string; readonly keyId: string; readonly trustedComment: string }
  | { readonly path: string; readonly fault: string };

/** The environment of an inspection. */
export interface InspectContext {
  /** The capabilities of this host. */
  readonly known: KnownCapabilities;
  readonly limits: InstanceLimits;
  readonly signatures: readonly UnverifiedSignature[];
  readonly configured?: Configured;
  /** What a report of the conformance kit says of the module. */
  readonly conformance?: Verdict;
}

/** The results of checking the module against a configuration. */
export interface Configured {
  readonly file: string;
  /** The date of the signature checks, YYYY-MM-DD in UTC. */
  readonly day: string;
  /** Names of the providers that use this module. */
  readonly providers: readonly string[];
  readonly verdicts: readonly Verdict[];
}

/** The report on a module; `kleidi inspect --json` prints it. */
export interface Report {
  /** Version of this format. */
  readonly report: 1;
  /** The worst severity in `verdicts`. "refuse": admission would refuse the module. */
  readonly verdict: Severity;
  readonly file: Omit<ModuleFile, "bytes">;
  readonly signatures: readonly UnverifiedSignature[];
  readonly configured: Omit<Configured, "verdicts"> | null;
  readonly verdicts: readonly Verdict[];
  readonly manifest: ManifestResult;
  /** One entry for each exported RPC; empty if the code could not be read. */
  readonly rpcs: readonly RpcCalls[];
  readonly authority: readonly AuthorityRow[];
  readonly module: Outline;
}

/** One operation in one RPC. */
export interface AuthorityRow {
  readonly rpc: Rpc;
  readonly capability: string;
  readonly operation: string;
  /** True if the manifest requests it. */
  readonly requested: boolean;
  /** True if the code can reach it; null if the code could not be read. */
  readonly used: boolean | null;
  /** The reasons in the manifest. */
  readonly why: readonly string[];
}

export interface Outline {
  /** Byte offset and reason if the parser stopped early; the other fields hold the part before it. Else null. */
  readonly stopped: { readonly at: number; readonly why: string } | null;
  readonly functions: number | null;
  readonly start: number | null;
  readonly imports: readonly {
    readonly module: string;
    readonly name: string;
    readonly type: string;
    readonly reachedBy: readonly Rpc[];
  }[];
  readonly exports: readonly { readonly name: string; readonly kind: string; readonly type: string | null }[];
  /** In pages of 64 KiB. */
  readonly memories: readonly Range[];
  /** In entries. */
  readonly tables: readonly Range[];
  readonly sections: readonly SectionHeader[];
  readonly producers: readonly Producer[];
}

interface Range {
  readonly min: number;
  readonly max: number | null;
}

const MAX_NAME = 200;
const MAX_TEXT = 2000;

/**
 * Inspects a module.
 * @param context the capabilities and limits of the host, and the results of checks outside the module
 */
export function inspect({ path, bytes, size, sha256 }: ModuleFile, context: InspectContext): Report {
  const tooLarge = size > MAX_MODULE;
  const partial: PartialModule = tooLarge ? TOO_LARGE : readPartialModule(bytes);
  const { headers, customSections } = sectionHeadersOf(tooLarge ? new Uint8Array() : bytes);
  const { module } = partial;
  const reached = module && reach(module);
  const manifest = manifestOf(manifestSection(customSections));
  const rpcs = module === undefined ? [] : callsOf(module);
  const producers = producersOf(customSections);
  const verdicts = [
    ...verdictsOf({
      size,
      partial,
      headers,
      producers,
      manifest,
      reached,
      rpcs,
      limits: context.limits,
      known: context.known,
    }),
    ...(context.conformance === undefined ? [] : [context.conformance]),
    ...(context.configured?.verdicts ?? []),
  ];
  return {
    report: 1,
    verdict: worst(verdicts),
    file: { path, size, sha256 },
    signatures: context.signatures,
    configured: context.configured === undefined ? null : withoutVerdicts(context.configured),
    verdicts,
    manifest,
    rpcs,
    authority: authorityRows(manifest, reached),
    module: outlineOf(partial, reached, headers, producers),
  };
}

const TOO_LARGE: PartialModule = {
  imports: [],
  exports: [],
  memories: [],
  tables: [],
  sections: [],
  customSections: [],
  stopped: { at: 0, why: "the file exceeds the maximum size of a module and was not read" },
};

function withoutVerdicts({ file, day, providers }: Configured): Omit<Configured, "verdicts"> {
  return { file, day, providers };
}

function manifestOf(section: Uint8Array | string): ManifestResult {
  if (typeof section === "string") return { fault: section, text: "" };
  const result = readManifest(section);
  if (!("fault" in result)) return result;
  return {
    fault: result.fault,
    text: cutWithLength(new TextDecoder().decode(section.subarray(0, 16_384)), MAX_TEXT),
  };
}

/** Merges requested and used operations, ordered by RPC, then by manifest and import. */
function authorityRows(manifest: ManifestResult, reached: Reach | undefined): AuthorityRow[] {
  const requested = "fault" in manifest ? [] : requestsOf(manifest);
  const used = reached === undefined ? [] : authorityOf(reached, RPCS);
  const usedKeys = new Set(used.map(keyOf));
  const reasons = new Map<string, Set<string>>(requested.map((row) => [keyOf(row), new Set()]));
  for (const { capability, operations, rpcs, why } of "fault" in manifest ? [] : manifest.capabilities) {
    for (const operation of operations)
      for (const rpc of rpcs) reasons.get(keyOf({ rpc, capability, operation }))?.add(why);
  }
  const rows = new Map(
    [...requested, ...used].map(({ rpc, capability, operation }): [string, AuthorityRow] => {
      const key = keyOf({ rpc, capability, operation });
      const row = {
        rpc,
        capability: cutWithLength(capability, MAX_NAME),
        operation: cutWithLength(operation, MAX_NAME),
        requested: reasons.has(key),
        used: reached === undefined ? null : usedKeys.has(key),
        why: [...(reasons.get(key) ?? [])],
      };
      return [key, row];
    }),
  );
  return [...rows.values()].sort((a, b) => RPCS.indexOf(a.rpc) - RPCS.indexOf(b.rpc));
}

function keyOf({ rpc, capability, operation }: Authority): string {
  return JSON.stringify([rpc, capability, operation]);
}

function outlineOf(
  { imports, exports, memories, tables, module, stopped }: PartialModule,
  reached: Reach | undefined,
  sections: readonly SectionHeader[],
  producers: readonly Producer[],
): Outline {
  const range = ({ min, max }: { min: number; max?: number }): Range => ({ min, max: max ?? null });
  const reachedBy = (namespace: string, name: string) =>
    RPCS.filter((rpc) =>
      reached?.exports.get(`kleidi_${rpc}`)?.some((ref) => ref.module === namespace && ref.name === name),
    );
  return {
    stopped: stopped ?? null,
    functions: module?.functionCount ?? null,
    start: module?.start ?? null,
    imports: imports.map(({ module: namespace, name, type }) => ({
      module: cutWithLength(namespace, MAX_NAME),
      name: cutWithLength(name, MAX_NAME),
      type: formatType(type),
      reachedBy: reachedBy(namespace, name),
    })),
    exports: exports.map(({ name, kind, type }) => ({
      name: cutWithLength(name, MAX_NAME),
      kind,
      type: type === undefined ? null : formatType(type),
    })),
    memories: memories.map(range),
    tables: tables.map(range),
    sections: sections.map((header) => ({ ...header, name: cutWithLength(header.name, MAX_NAME) })),
    producers,
  };
}
