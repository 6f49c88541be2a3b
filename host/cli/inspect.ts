/** kleidi inspect: reports on a module without running it, for the person who approves it. */
import { statSync } from "node:fs";
import { styleText } from "node:util";
import { KNOWN } from "../capabilities/registry.ts";
import type { ProviderConfig } from "../config/config.ts";
import type { Severity, Verdict } from "../inspect/check.ts";
import { pageOf } from "../inspect/page.ts";
import { type InspectContext, inspect, type ModuleFile, type Report } from "../inspect/report.ts";
import { textOf } from "../inspect/text.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { stringifyAscii } from "../lib/text.ts";
import { replaceFile } from "../lib/write-files.ts";
import type { Manifest } from "../module/manifest.ts";
import { conformanceOf } from "./conformance-report.ts";
import { readModuleFile, signaturesBeside, signaturesSeen } from "./module-file.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface InspectOptions {
  readonly json: boolean;
  /** The path of the HTML page to write. */
  readonly html?: string;
  readonly config?: string;
  /** The path of a report of `kleidi provider test`. */
  readonly report?: string;
}

/** The limits of a provider by default. */
export const DEFAULT_LIMITS = { memoryBytes: 16 << 20, tableEntries: 16_384 };

/** @throws UsageError, the module cannot be read or the page cannot be written; KleidiError config-invalid */
export async function inspectCommand(path: string, options: InspectOptions): Promise<number> {
  const { json, html, config } = options;
  const file = readModuleFile(path);
  const conformance = options.report === undefined ? undefined : conformanceOf(options.report, file);
  const report = await reportOf(file, config, conformance);
  if (html !== undefined) writePage(html, path, report);
  print(json ? stringifyAscii(report) : textOf(report, paint).trimEnd());
  if (html !== undefined && !json) print(`\nWrote ${html}.`);
  return report.verdict === "refuse" ? EXIT.PROBLEMS : EXIT.SUCCESS;
}

function writePage(html: string, module: string, report: Report): void {
  if (isSameFile(html, module)) throw new UsageError(`Cannot write the page ${html}: it is the module`);
  try {
    replaceFile(html, pageOf(report));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw new UsageError(`Cannot write the page ${html}: ${pathErrorText(html, error, "create")}`, {
      cause: error,
    });
  }
}

/** @returns true if both paths lead to the same file */
function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

async function reportOf(
  file: ModuleFile,
  configPath: string | undefined,
  conformance: Verdict | undefined,
): Promise<Report> {
  const signatures = signaturesSeen(signaturesBeside(file.path));
  const alone: InspectContext = {
    known: KNOWN,
    limits: DEFAULT_LIMITS,
    signatures,
    ...(conformance && { conformance }),
  };
  const report = inspect(file, alone);
  if (configPath === undefined) return report;
  // loading the schema takes half of the start, and most modules are inspected without a configuration
  const [{ loadConfig }, { configuredOf, providersOf }] = await Promise.all([
    import("../config/load.ts"),
    import("./configured.ts"),
  ]);
  const config = loadConfig(configPath);
  const manifest: Manifest | undefined = "fault" in report.manifest ? undefined : report.manifest;
  const providers = providersOf(config, file, manifest);
  return inspect(file, {
    ...alone,
    limits: smallestLimits(providers),
    configured: configuredOf(config, providers, file, manifest),
  });
}

/** @returns the smallest limits among the providers */
function smallestLimits(providers: readonly ProviderConfig[]): InspectContext["limits"] {
  if (providers.length === 0) return DEFAULT_LIMITS;
  const smallest = (limit: keyof typeof DEFAULT_LIMITS) =>
    Math.min(...providers.map(({ limits }) => limits[limit]));
  return { memoryBytes: smallest("memoryBytes"), tableEntries: smallest("tableEntries") };
}

const COLOURS = { ok: "green", note: "cyan", warn: "yellow", refuse: "red" } as const;

/** Colours a text, on a terminal only and not with NO_COLOR. */
function paint(severity: Severity, text: string): string {
  return styleText(COLOURS[severity], text, { stream: process.stdout });
}
