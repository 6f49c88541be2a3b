/** A report for a terminal. Colour is whoever prints its affair: `paint` is given what has a severity. */

import { escapeName, escapeOwnText, escapeProse } from "../lib/text.ts";
import { many, type Severity, type Verdict } from "./check.ts";
import type { AuthorityRow, Report } from "./report.ts";

export type Paint = (severity: Severity, text: string) => string;

/** Of what a module may have thousands of. */
const MAX_LINES = 40;

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
  const said = {
    ok: "nothing to remark",
    note: "nothing against it",
    warn: "look at what is marked",
    refuse: "it would not be run",
  };
  const named =
    "fault" in manifest
      ? `none: ${escapeProse(manifest.fault)}${manifest.text === "" ? "" : `; it reads ${quoted(manifest.text)}`}`
      : `${manifest.name} ${manifest.version}, ABI ${manifest.abi}`;
  return [
    `${escapeProse(file.path)}: ${paint(verdict, verdict)}, ${said[verdict]}`,
    `  sha256     ${file.sha256}`,
    `  size       ${file.size} bytes, ${module.functions ?? "an unknown number of"} functions`,
    `  manifest   ${named}`,
    ...(signatures.length === 0 ? ["  signature  none beside it"] : []),
    ...signatures.map((each) =>
      "fault" in each
        ? `  signature  ${escapeProse(each.path)} ${escapeProse(each.fault)}`
        : `  signature  ${escapeProse(each.path)}, not verified here: key ${each.keyId}, ${quoted(each.trustedComment)}`,
    ),
    ...(configured === null
      ? []
      : [
          `  configured ${escapeProse(configured.file)}, ${
            configured.providers.length === 0
              ? "by no provider"
              : `provider ${configured.providers.join(", ")}`
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
  const lines = ["", "What each RPC requests and can reach"];
  for (const rpc of new Set([...rpcs.map((each) => each.rpc), ...authority.map((each) => each.rpc)])) {
    const calls = rpcs.find((each) => each.rpc === rpc);
    const size =
      calls === undefined
        ? "its code was not read, or it is not exported"
        : `can run ${many(calls.functions, "function")}, ${calls.indirect} call through the table`;
    lines.push(`  ${rpc}: ${size}`);
    for (const row of authority.filter((each) => each.rpc === rpc)) {
      const [severity, words] = use(row);
      const why = row.why.map((each) => ` ${quoted(each)}`).join("");
      lines.push(
        `    ${escapeName(row.capability)}.${escapeName(row.operation)}, ${paint(severity, words)}${why}`,
      );
      const way = calls?.reaches.find(
        (each) => each.capability === row.capability && each.operation === row.operation,
      );
      if (way !== undefined) lines.push(`      ${wayOf(way)}`);
    }
  }
  return lines;
}

export function use({ requested, used }: AuthorityRow): [severity: Severity, words: string] {
  if (used === null) return ["warn", "requested, whether it is used cannot be told"];
  if (requested && used) return ["ok", "requested and used"];
  return used ? ["refuse", "used and not requested"] : ["refuse", "requested and not used"];
}

/** The way of the call graph, in indexes of functions. */
export function wayOf({ path, steps, throughTable }: Report["rpcs"][number]["reaches"][number]): string {
  const half = path.length / 2;
  const shown = path.map(String);
  if (steps > path.length) shown.splice(half, 0, `… ${steps - path.length} more …`);
  return `by functions ${shown.join(" → ")}${throughTable ? ", only by a call through the table" : ""}`;
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
