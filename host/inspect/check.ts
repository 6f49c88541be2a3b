/** What a check of a module is given, and what it gives back. */
import type { KnownCapabilities } from "../host-call.ts";
import type { Manifest } from "../module/manifest.ts";
import type { PartialModule } from "../module/wasm/module.ts";
import type { Reach } from "../module/wasm/reach.ts";
import type { RpcCalls } from "./calls.ts";
import type { Frame } from "./frames.ts";
import type { Producer } from "./producers.ts";

/** From good to bad. A note is for whoever reads on; a warning should be understood before the module is approved. */
export const SEVERITIES = ["ok", "note", "warn", "refuse"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Verdict {
  /** What was looked at: a word that stays the same between versions of the report. */
  readonly check: string;
  readonly expectation: string;
  readonly actual: string;
  readonly severity: Severity;
}

/** `text` is the section as it is, where it is no manifest. */
export type ManifestSeen = Manifest | { readonly fault: string; readonly text: string };

/** What an instance may grow to: the configuration's, or its defaults. */
export interface InstanceLimits {
  readonly memoryBytes: number;
  readonly tableEntries: number;
}

export interface Findings {
  readonly size: number;
  readonly partial: PartialModule;
  readonly frames: readonly Frame[];
  readonly producers: readonly Producer[];
  readonly manifest: ManifestSeen;
  /** Of a module that was read to its end. */
  readonly reached: Reach | undefined;
  readonly rpcs: readonly RpcCalls[];
  readonly limits: InstanceLimits;
  /** The capabilities of this host. */
  readonly known: KnownCapabilities;
}

export interface Check {
  readonly check: string;
  readonly expectation: string;
  /** What there is where nothing was found. Undefined where nothing can be said, because reading stopped before it. */
  readonly good: string | undefined;
  readonly found: readonly Found[];
}

export interface Found {
  readonly severity: Severity;
  readonly actual: string;
}

export function refusals(faults: readonly string[]): Found[] {
  return faults.map((actual) => ({ severity: "refuse", actual }));
}

export function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
