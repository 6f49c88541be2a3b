/** The results as TAP 14, line by line: a check that is a SHOULD and fails is a TODO, one that does not apply a SKIP. Pure. */
import { escapeForTerminal } from "../lib/text.ts";
import type { Result } from "./check.ts";

/** The titles of the levels. */
export const LEVELS = ["admission", "messages", "contract", "host", "live"] as const;

/** @param number of the result, 1-based */
export function tapOf({ name, level, section, result, text }: Result, number: number): string {
  const line = `${result === "pass" || result === "skip" ? "ok" : "not ok"} ${number} - ${LEVELS[level]}: ${name}`;
  if (result === "pass") return line;
  if (result === "skip") return `${line} # SKIP ${escaped(text[0] ?? "")}`;
  return [
    result === "warn" ? `${line} # TODO a SHOULD of the contract` : line,
    "  ---",
    `  section: "docs/ABI.md, section ${section}"`,
    "  faults:",
    ...text.map((each) => `    - ${JSON.stringify(escapeForTerminal(each))}`),
    "  ...",
  ].join("\n");
}

/** "#" begins a directive in TAP. */
function escaped(text: string): string {
  return escapeForTerminal(text).replaceAll("#", "\\#");
}
