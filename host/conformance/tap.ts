/** The results as TAP 14, line by line: a check that is a SHOULD and fails is a TODO, one that does not apply a SKIP. Pure. */
import { escapeForTerminal } from "../lib/text.ts";
import type { Result } from "./check.ts";
import type { Verdict } from "./verdict.ts";

/** The titles of the levels. */
export const LEVELS = ["admission", "messages", "contract", "host", "live"] as const;

/** @param number of the result, 1-based */
export function tapOf({ name, level, section, ...verdict }: Result, number: number): string {
  const clause = { section: `docs/ABI.md, section ${section}` };
  return tapLine(`${LEVELS[level]}: ${name}`, verdict, clause, number);
}

/**
 * @param title of the check
 * @param clause its source, under its key
 * @param number of the result, 1-based
 */
export function tapLine(
  title: string,
  { result, text }: Verdict,
  clause: Readonly<Record<string, string>>,
  number: number,
): string {
  const line = `${result === "pass" || result === "skip" ? "ok" : "not ok"} ${number} - ${title}`;
  if (result === "pass") return line;
  if (result === "skip") return `${line} # SKIP ${escaped(text[0] ?? "")}`;
  return [
    result === "warn" ? `${line} # TODO a SHOULD of the contract` : line,
    "  ---",
    ...Object.entries(clause).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`),
    "  faults:",
    ...text.map((each) => `    - ${JSON.stringify(escapeForTerminal(each))}`),
    "  ...",
  ].join("\n");
}

/** "#" begins a directive in TAP. */
function escaped(text: string): string {
  return escapeForTerminal(text).replaceAll("#", "\\#");
}
