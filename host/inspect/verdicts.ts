/**
 * The verdict table: what is expected of a module, what it is, and how much that matters. The rows of severity "refuse" are what
 * admission would refuse: all of them, not only the first.
 */
import { authority, start, throughTable } from "./authority-checks.ts";
import { type Check, type Findings, SEVERITIES, type Severity, type Verdict } from "./check.ts";
import { memory, tables } from "./limit-checks.ts";
import { exported, format, imported, manifested, size, uncalled } from "./module-checks.ts";
import { built, names, others } from "./section-checks.ts";

const CHECKS: readonly ((findings: Findings) => Check)[] = [
  size,
  format,
  manifested,
  imported,
  exported,
  uncalled,
  start,
  authority,
  throughTable,
  memory,
  tables,
  built,
  names,
  others,
];

export function verdictsOf(findings: Findings): Verdict[] {
  return CHECKS.flatMap((check) => rowsOf(check(findings)));
}

function rowsOf({ check, expectation, good, found }: Check): Verdict[] {
  // one manifest may name one RPC twice, and says nothing more by it
  const distinct = [...new Map(found.map((each) => [each.actual, each])).values()];
  const rows = distinct.map((each): Verdict => ({ check, expectation, ...each }));
  if (good === undefined) {
    const actual = "cannot be told: reading stopped before it";
    return [...rows, { check, expectation, actual, severity: "warn" }];
  }
  return rows.length > 0 ? rows : [{ check, expectation, actual: good, severity: "ok" }];
}

export function worst(verdicts: readonly Verdict[]): Severity {
  const places = verdicts.map(({ severity }) => SEVERITIES.indexOf(severity));
  return SEVERITIES[Math.max(0, ...places)] ?? "refuse";
}
