/** A report of the conformance kit, as a row of the report of inspect. */
import { type ConformanceReport, parseReport } from "../conformance/report.ts";
import type { Verdict } from "../inspect/check.ts";
import type { ModuleFile } from "../inspect/report.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { UsageError } from "./usage-error.ts";

const LARGEST = 1 << 20;

/**
 * Reads a report. It is not signed: it is worth as much as the file's author.
 * @throws UsageError, the file cannot be read or is no report
 */
export function conformanceOf(path: string, { sha256 }: ModuleFile): Verdict {
  const report = read(path);
  const row = { check: "conformance", expectation: "the conformance kit passed this module" };
  if (report.module.sha256 !== sha256)
    return {
      ...row,
      severity: "warn",
      actual: `the report is of another module, sha256 ${report.module.sha256}`,
    };
  const { ok, pass, fail, warn, skip, kit, levels, live, finished } = report;
  const counts = `${pass} passed, ${fail} failed, ${warn} warnings, ${skip} not applicable`;
  const how = `levels ${levels.join(", ")}${live ? " with a real KMS" : ""}, kit ${kit.version}, ${finished.slice(0, 10)}`;
  return { ...row, severity: ok ? (warn > 0 ? "note" : "ok") : "warn", actual: `${counts} (${how})` };
}

function read(path: string): ConformanceReport {
  const bytes = readRegular(path, LARGEST);
  if (bytes instanceof FileFault) throw new UsageError(`Cannot read the report ${path}: it ${bytes.text}`);
  try {
    return parseReport(bytes.toString("utf8"));
  } catch (error) {
    throw new UsageError(
      `Cannot read the report ${path}: it is not a report of kleidi provider test (${(error as Error).message})`,
      { cause: error },
    );
  }
}
