/** The input and the result of a check. */
import type { KnownCapabilities } from "../host-call.ts";
import type { Manifest } from "../module/manifest.ts";
import type { PartialModule } from "../module/wasm/module.ts";
import type { Reach } from "../module/wasm/reach.ts";
import type { RpcCalls } from "./calls.ts";
import type { Producer } from "./producers.ts";
import type { SectionHeader } from "./section-headers.ts";

/** From best to worst. A note is additional information; a warning must be understood before the module is approved. */
export const SEVERITIES = ["ok", "note", "warn", "refuse"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One row of the verdict table. */
export interface Verdict {
  /** Identifier of the check; stable between versions of the report. */
  readonly check: string;
  readonly expectation: string;
  readonly actual: string;
  readonly severity: Severity;
}

/** The manifest, or its fault with the text of the section. */
export type ManifestResult = Manifest | { readonly fault: string; readonly text: string };

/** The maximum sizes of an instance: from the configuration, or the defaults. */
export interface InstanceLimits {
  readonly memoryBytes: number;
  readonly tableEntries: number;
}

/** The input of a check: the facts about one module. */
export interface CheckInput {
  /** Size of the file in bytes. */
  readonly size: number;
  readonly partial: PartialModule;
  readonly headers: readonly SectionHeader[];
  readonly producers: readonly Producer[];
  readonly manifest: ManifestResult;
  /** Undefined if reading stopped early. */
  readonly reached: Reach | undefined;
  readonly rpcs: readonly RpcCalls[];
  readonly limits: InstanceLimits;
  /** The capabilities of this host. */
  readonly known: KnownCapabilities;
}

/** The result of a check. */
export interface Check {
  readonly check: string;
  readonly expectation: string;
  /** The actual state if there are no findings. Undefined if it is unknown, because reading stopped before this part. */
  readonly good: string | undefined;
  readonly found: readonly CheckFinding[];
}

/** A deviation from the expectation. */
export interface CheckFinding {
  readonly severity: Severity;
  readonly actual: string;
}

/** Converts faults into findings with the severity "refuse". */
export function refusals(faults: readonly string[]): CheckFinding[] {
  return faults.map((actual) => ({ severity: "refuse", actual }));
}

/** @example plural(2, "function") === "2 functions" */
export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
