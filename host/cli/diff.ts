/** kleidi diff: compares the authority of two modules. A gate for releases: exit code 1 if the new module has more. */
import { styleText } from "node:util";
import { KNOWN } from "../capabilities/registry.ts";
import {
  type ComparableReport,
  type Direction,
  diff,
  incomparableReason,
  isComparable,
} from "../inspect/diff.ts";
import { diffTextOf } from "../inspect/diff-text.ts";
import { inspect } from "../inspect/report.ts";
import { escapeOwnText, stringifyAscii } from "../lib/text.ts";
import { readModuleFile } from "./module-file.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** @throws UsageError, a file cannot be read, or its authority cannot be determined */
export function diffCommand(oldPath: string, newPath: string, { json }: { json: boolean }): number {
  const difference = diff(read(oldPath), read(newPath));
  print(json ? stringifyAscii(difference) : diffTextOf(difference, paint).trimEnd());
  return difference.verdict === "widened" || difference.verdict === "both" ? EXIT.PROBLEMS : EXIT.SUCCESS;
}

/** A comparison has no configuration, so "refused" means refused under every configuration. */
const NO_LIMITS = { memoryBytes: 2 ** 32, tableEntries: 2 ** 32 };

/** Reads the authority of a module. Refuses a malformed module: a gate must not treat it as a module without authority. */
function read(path: string): ComparableReport {
  const report = inspect(readModuleFile(path), { known: KNOWN, limits: NO_LIMITS, signatures: [] });
  if (isComparable(report)) return report;
  throw new UsageError(`Cannot compare ${path}: ${escapeOwnText(incomparableReason(report) ?? "")}`);
}

const COLOURS = { wider: "red", narrower: "green", neither: "cyan" } as const;

/** Colours a text, on a terminal only and not with NO_COLOR. */
function paint(direction: Direction, text: string): string {
  return styleText(COLOURS[direction], text, { stream: process.stdout });
}
