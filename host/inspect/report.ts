/**
 * All that can be said of a module without running or compiling it. Pure: bytes in, report out, and it never throws, whatever the
 * bytes are. Text in it is the module's own, bounded but raw: what renders it escapes it.
 */
import { type KnownCapabilities, RPCS, type Rpc } from "../host-call.ts";
import { cutWithLength } from "../lib/text.ts";
import { type Authority, authorityOf, requestsOf } from "../module/authority.ts";
import { formatType, MAX_MODULE } from "../module/contract.ts";
import { manifestSection, readManifest } from "../module/manifest.ts";
import { type PartialModule, readPartialModule } from "../module/wasm/module.ts";
import { type Reach, reach } from "../module/wasm/reach.ts";
import { callsOf, type RpcCalls } from "./calls.ts";
import type { InstanceLimits, ManifestSeen, Severity, Verdict } from "./check.ts";
import { type Frame, framesOf } from "./frames.ts";
import { type Producer, producersOf } from "./producers.ts";
import { verdictsOf, worst } from "./verdicts.ts";

/** A module's file. */
export interface ModuleFile {
  readonly path: string;
  /** As much of it as a module may have; of a longer file only its beginning. */
  readonly bytes: Uint8Array;
  readonly size: number;
  /** Of the whole file. */
  readonly sha256: string;
}

/** A signature beside the module. Nobody has verified it. */
export type SignatureSeen =
  | { readonly path: string; readonly keyId: string; readonly trustedComment: string }
  | { readonly path: string; readonly fault: string };

/** What is known beside the bytes. */
export interface Around {
  /** The capabilities of this host. */
  readonly known: KnownCapabilities;
  readonly limits: InstanceLimits;
  readonly signatures: readonly SignatureSeen[];
  readonly configured?: Configured;
}

/** What a configuration says of this module. */
export interface Configured {
  readonly file: string;
  /** The day in UTC on which signatures were judged. */
  readonly day: string;
  /** Providers that run this module, or would. */
  readonly providers: readonly string[];
  readonly verdicts: readonly Verdict[];
}

export interface Report {
  /** The version of this shape. */
  readonly report: 1;
  /** The worst of the table. "refuse": admission would not run it. */
  readonly verdict: Severity;
  readonly file: Omit<ModuleFile, "bytes">;
  readonly signatures: readonly SignatureSeen[];
  readonly configured: Omit<Configured, "verdicts"> | null;
  readonly verdicts: readonly Verdict[];
  readonly manifest: ManifestSeen;
  /** For each RPC that is exported; empty where the code could not be read. */
  readonly rpcs: readonly RpcCalls[];
  readonly authority: readonly AuthorityRow[];
  readonly module: Outline;
}

/** One operation in one RPC: whether the manifest requests it, and whether the code can reach it. */
export interface AuthorityRow {
  readonly rpc: Rpc;
  readonly capability: string;
  readonly operation: string;
  readonly requested: boolean;
  /** Null where the code could not be read. */
  readonly used: boolean | null;
  readonly why: readonly string[];
}

export interface Outline {
  /** Where strict reading stopped; what follows is what was read before. */
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
  readonly sections: readonly Frame[];
  readonly producers: readonly Producer[];
}

interface Range {
  readonly min: number;
  readonly max: number | null;
}

const MAX_NAME = 200;
const MAX_TEXT = 2000;

export function inspect({ path, bytes, size, sha256 }: ModuleFile, around: Around): Report {
  const tooLarge = size > MAX_MODULE;
  const partial: PartialModule = tooLarge ? UNREAD : readPartialModule(bytes);
  const { frames, customSections } = framesOf(tooLarge ? new Uint8Array() : bytes);
  const { module } = partial;
  const reached = module && reach(module);
  const manifest = manifestOf(manifestSection(customSections));
  const rpcs = module === undefined ? [] : callsOf(module);
  const producers = producersOf(customSections);
  const verdicts = [
    ...verdictsOf({
      size,
      partial,
      frames,
      producers,
      manifest,
      reached,
      rpcs,
      limits: around.limits,
      known: around.known,
    }),
    ...(around.configured?.verdicts ?? []),
  ];
  return {
    report: 1,
    verdict: worst(verdicts),
    file: { path, size, sha256 },
    signatures: around.signatures,
    configured: around.configured === undefined ? null : withoutVerdicts(around.configured),
    verdicts,
    manifest,
    rpcs,
    authority: authorityRows(manifest, reached),
    module: outlineOf(partial, reached, frames, producers),
  };
}

const UNREAD: PartialModule = {
  imports: [],
  exports: [],
  memories: [],
  tables: [],
  sections: [],
  customSections: [],
  stopped: { at: 0, why: "it is larger than a module may be, and was not read" },
};

function withoutVerdicts({ file, day, providers }: Configured): Omit<Configured, "verdicts"> {
  return { file, day, providers };
}

function manifestOf(section: Uint8Array | string): ManifestSeen {
  if (typeof section === "string") return { fault: section, text: "" };
  const read = readManifest(section);
  if (!("fault" in read)) return read;
  return {
    fault: read.fault,
    text: cutWithLength(new TextDecoder().decode(section.subarray(0, 16_384)), MAX_TEXT),
  };
}

/** What is requested and what is used, in the order of the RPCs, then of the manifest and the imports. */
function authorityRows(manifest: ManifestSeen, reached: Reach | undefined): AuthorityRow[] {
  const requested = "fault" in manifest ? [] : requestsOf(manifest);
  const used = reached === undefined ? [] : authorityOf(reached, RPCS);
  const usedKeys = new Set(used.map(keyOf));
  const whys = new Map<string, Set<string>>(requested.map((row) => [keyOf(row), new Set()]));
  for (const { capability, operations, rpcs, why } of "fault" in manifest ? [] : manifest.capabilities) {
    for (const operation of operations)
      for (const rpc of rpcs) whys.get(keyOf({ rpc, capability, operation }))?.add(why);
  }
  const rows = new Map(
    [...requested, ...used].map(({ rpc, capability, operation }): [string, AuthorityRow] => {
      const key = keyOf({ rpc, capability, operation });
      const row = {
        rpc,
        capability: cutWithLength(capability, MAX_NAME),
        operation: cutWithLength(operation, MAX_NAME),
        requested: whys.has(key),
        used: reached === undefined ? null : usedKeys.has(key),
        why: [...(whys.get(key) ?? [])],
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
  sections: readonly Frame[],
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
    sections: sections.map((frame) => ({ ...frame, name: cutWithLength(frame.name, MAX_NAME) })),
    producers,
  };
}
