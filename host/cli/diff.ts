/** kleidi diff: what authority a new module has more or less than an old one. A gate for releases: 1 where it has more. */

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

/** @throws UsageError, a file cannot be read or has no authority that could be compared */
export function diffCommand(old: string, now: string, { json }: { json: boolean }): number {
  const found = diff(read(old), read(now));
  print(json ? stringifyAscii(found) : diffTextOf(found, paint).trimEnd());
  return found.verdict === "widened" || found.verdict === "both" ? EXIT.PROBLEMS : EXIT.SUCCESS;
}

/** What a configuration may allow is not looked at here: "refused" is what no configuration changes. */
const NO_LIMITS = { memoryBytes: 2 ** 32, tableEntries: 2 ** 32 };

/** What cannot be read has no authority that could be compared: a gate must not let it through as one that has none. */
function read(path: string): ComparableReport {
  const report = inspect(readModuleFile(path), { known: KNOWN, limits: NO_LIMITS, signatures: [] });
  if (isComparable(report)) return report;
  throw new UsageError(`Cannot compare ${path}: ${escapeOwnText(incomparableReason(report) ?? "")}`);
}

const COLOURS = { wider: "red", narrower: "green", neither: "cyan" } as const;

/** Colour only on a terminal, and not under NO_COLOR. */
function paint(direction: Direction, text: string): string {
  return styleText(COLOURS[direction], text, { stream: process.stdout });
}
