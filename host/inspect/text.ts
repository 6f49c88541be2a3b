/** Formats a report for a terminal. */
import { escapeName, escapeOwnText, escapeProse } from "../lib/text.ts";
import { plural, type Severity, type Verdict } from "./check.ts";
import type { AuthorityRow, Report } from "./report.ts";

/** Colours a text by its severity; the command decides on the colours. */
export type Paint = (severity: Severity, text: string) => string;

/** Maximum number of lines in each list. */
const MAX_LINES = 40;

/** @returns the report as text; names and text of the module are escaped */
export function textOf(report: Report, paint: Paint): string {
  return [
    ...head(report, paint),
    "",
    "Verdict",
    ...report.verdicts.flatMap((verdict) => verdictLines(verdict, paint)),
    ...reachLines(report, paint),
    ...list("Imports", report.module.imports, (each) => {
      const where = each.reachedBy.length > 0 ? `, reached in ${each.reachedBy.join(", ")}` : "";
      return `${escapeName(each.module)} ${escapeName(each.name)} ${each.type}${where}`;
    }),
    ...list("Exports", report.module.exports, (each) =>
      `${each.kind} ${escapeName(each.name)} ${each.type ?? ""}`.trimEnd(),
    ),
    ...list("Sections", report.module.sections, (each) => {
      const what = each.id === 0 ? `custom ${quoted(each.name)}` : each.name;
      return `${what}, ${each.size} bytes from byte ${each.offset}`;
    }),
    ...list("Producers", report.module.producers, (each) =>
      `${escapeName(each.field)}: ${escapeName(each.name)} ${escapeName(each.version)}`.trimEnd(),
    ),
    "",
  ].join("\n");
}

function head({ file, verdict, manifest, signatures, configured, module }: Report, paint: Paint): string[] {
  const summary = {
    ok: "no problems found",
    note: "no problems found; see the notes",
    warn: "review the warnings",
    refuse: "the host would refuse it",
  };
  const named =
    "fault" in manifest
      ? `none: ${escapeProse(manifest.fault)}${manifest.text === "" ? "" : `; its text is ${quoted(manifest.text)}`}`
      : `${manifest.name} ${manifest.version}, ABI ${manifest.abi}`;
  return [
    `${escapeProse(file.path)}: ${paint(verdict, verdict)}, ${summary[verdict]}`,
    `  sha256     ${file.sha256}`,
    `  size       ${file.size} bytes, ${module.functions ?? "an unknown number of"} functions`,
    `  manifest   ${named}`,
    ...(signatures.length === 0 ? ["  signature  none beside the module"] : []),
    ...signatures.map((each) =>
      "fault" in each
        ? `  signature  ${escapeProse(each.path)} ${escapeProse(each.fault)}`
        : `  signature  ${escapeProse(each.path)}, not verified here: key ${each.keyId}, ${quoted(each.trustedComment)}`,
    ),
    ...(configured === null
      ? []
      : [
          `  configured ${escapeProse(configured.file)}, ${
            configured.providers.length === 0 ? "no provider" : `provider ${configured.providers.join(", ")}`
          }, on ${configured.day}`,
        ]),
  ];
}

function verdictLines({ check, expectation, actual, severity }: Verdict, paint: Paint): string[] {
  return [
    `  ${paint(severity, severity.padEnd(6))} ${check}: ${escapeOwnText(actual)}`,
    `         expected: ${escapeOwnText(expectation)}`,
  ];
}

function reachLines({ rpcs, authority }: Report, paint: Paint): string[] {
  if (rpcs.length === 0 && authority.length === 0) return [];
  const lines = ["", "Host calls that each RPC requests and can reach"];
  for (const rpc of new Set([...rpcs.map((each) => each.rpc), ...authority.map((each) => each.rpc)])) {
    const calls = rpcs.find((each) => each.rpc === rpc);
    const size =
      calls === undefined
        ? "its code was not read, or it is not exported"
        : `can run ${plural(calls.functions, "function")}, ${calls.indirect} call through the table`;
    lines.push(`  ${rpc}: ${size}`);
    for (const row of authority.filter((each) => each.rpc === rpc)) {
      const [severity, words] = usageOf(row);
      const why = row.why.map((each) => ` ${quoted(each)}`).join("");
      lines.push(
        `    ${escapeName(row.capability)}.${escapeName(row.operation)}, ${paint(severity, words)}${why}`,
      );
      const path = calls?.reaches.find(
        (each) => each.capability === row.capability && each.operation === row.operation,
      );
      if (path !== undefined) lines.push(`      ${pathText(path)}`);
    }
  }
  return lines;
}

/** Describes whether an operation is requested and used. */
export function usageOf({ requested, used }: AuthorityRow): [severity: Severity, words: string] {
  if (used === null) return ["warn", "requested, use unknown"];
  if (requested && used) return ["ok", "requested and used"];
  return used ? ["refuse", "used but not requested"] : ["refuse", "requested but not used"];
}

/** Describes a call path by the indexes of its functions. */
export function pathText({ path, steps, throughTable }: Report["rpcs"][number]["reaches"][number]): string {
  const half = path.length / 2;
  const shown = path.map(String);
  if (steps > path.length) shown.splice(half, 0, `… ${steps - path.length} more …`);
  return `through functions ${shown.join(" → ")}${throughTable ? ", only by a call through the table" : ""}`;
}

function list<T>(title: string, all: readonly T[], line: (each: T) => string): string[] {
  if (all.length === 0) return [];
  const rest =
    all.length > MAX_LINES ? [`  … and ${all.length - MAX_LINES} more; --json and --html have all`] : [];
  return [
    "",
    `${title} (${all.length})`,
    ...all.slice(0, MAX_LINES).map((each) => `  ${line(each)}`),
    ...rest,
  ];
}

function quoted(text: string): string {
  return `"${escapeProse(text)}"`;
}
