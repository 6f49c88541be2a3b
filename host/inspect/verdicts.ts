/**
 * Builds the verdict table: expectation, actual state and severity of each check. The rows with the severity "refuse" are the reasons
 * for which admission would refuse the module: all of them, not only the first.
 */
import { authority, indirectCalls, start } from "./authority-checks.ts";
import { type Check, type CheckInput, SEVERITIES, type Severity, type Verdict } from "./check.ts";
import { memory, tables } from "./limit-checks.ts";
import { exports, format, imports, manifest, size, unusedExports } from "./module-checks.ts";
import { customSections, names, producers } from "./section-checks.ts";

const CHECKS: readonly ((input: CheckInput) => Check)[] = [
  size,
  format,
  manifest,
  imports,
  exports,
  unusedExports,
  start,
  authority,
  indirectCalls,
  memory,
  tables,
  producers,
  names,
  customSections,
];

/** Runs all checks. */
export function verdictsOf(input: CheckInput): Verdict[] {
  return CHECKS.flatMap((check) => rowsOf(check(input)));
}

function rowsOf({ check, expectation, good, found }: Check): Verdict[] {
  // a manifest may list an RPC twice; the duplicate has no meaning
  const distinct = [...new Map(found.map((each) => [each.actual, each])).values()];
  const rows = distinct.map((each): Verdict => ({ check, expectation, ...each }));
  if (good === undefined) {
    const actual = "unknown: reading stopped before this part";
    return [...rows, { check, expectation, actual, severity: "warn" }];
  }
  return rows.length > 0 ? rows : [{ check, expectation, actual: good, severity: "ok" }];
}

/** Returns the worst severity. */
export function worst(verdicts: readonly Verdict[]): Severity {
  const places = verdicts.map(({ severity }) => SEVERITIES.indexOf(severity));
  return SEVERITIES[Math.max(0, ...places)] ?? "refuse";
}
