/** The output of commands and their exit codes: 0 success, 1 problems found, 2 usage error. */
import { styleText } from "node:util";
import { KleidiError } from "../error.ts";
import { causesOf, type Finding, type Level, levelOf } from "../finding.ts";
import { explainPathError, pathErrorText } from "../lib/path-fault.ts";
import { stringifyAscii } from "../lib/text.ts";
import { UsageError } from "./usage-error.ts";

export const EXIT = { SUCCESS: 0, PROBLEMS: 1, USAGE: 2 } as const;

/**
 * Prints findings, as text or as one JSON object with the number of warnings.
 * @param more further fields of the JSON object
 * @returns the exit code: PROBLEMS if a finding is not ok
 */
export function report(findings: readonly Finding[], json: boolean, more: object = {}): number {
  const ok = findings.every((finding) => finding.ok);
  const warnings = findings.filter((finding) => levelOf(finding) === "warn").length;
  if (json) print(stringifyAscii({ ok, warnings, findings: findings.map(withLevel), ...more }));
  else for (const finding of findings) print(line(finding));
  return ok ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

function withLevel(finding: Finding): Omit<Finding, "warning"> & { level: Level } {
  const { subject, ok, detail, hint } = finding;
  return { subject, ok, level: levelOf(finding), detail, hint };
}

const MARKS = { ok: ["green", "ok  "], warn: ["yellow", "warn"], fail: ["red", "FAIL"] } as const;

function line(finding: Finding): string {
  const { subject, detail, hint } = finding;
  const [colour, text] = MARKS[levelOf(finding)];
  // styleText checks the stream: colour only on a terminal, and not with NO_COLOR
  const mark = styleText(colour, text, { stream: process.stdout });
  return `${mark} ${subject}: ${detail}${hint === undefined ? "" : `\n     ${hint}`}`;
}

/** Prints a text and a line feed to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Converts an error of the system about a path; it is not a fault in kleidi. */
export function pathFailure(error: unknown): unknown {
  const { path, code } = error as NodeJS.ErrnoException;
  if (error instanceof KleidiError || typeof path !== "string" || code === undefined) return error;
  if (explainPathError(path, error, "create") === undefined) return error;
  return new KleidiError(
    "path-refused",
    `Cannot use ${path}: ${pathErrorText(path, error, "create")}`,
    error,
  );
}

/**
 * Prints the failure of a command: text to stderr, or one JSON object to stdout.
 * @returns the exit code: USAGE for a UsageError, otherwise PROBLEMS
 */
export function fail(thrown: unknown, json: boolean): number {
  const error = pathFailure(thrown);
  if (error instanceof UsageError) {
    const { message } = error;
    if (json) print(JSON.stringify({ ok: false, code: "usage", message }, null, 2));
    else process.stderr.write(`error: ${message}\n`);
    return EXIT.USAGE;
  }
  const known = error instanceof KleidiError;
  const message = error instanceof Error ? error.message : String(error);
  if (json)
    print(
      JSON.stringify(
        { ok: false, code: known ? error.code : "host-fault", message, hint: known ? error.hint : undefined },
        null,
        2,
      ),
    );
  else {
    const lines = known ? [message, ...causesOf(error), error.hint] : [(error as Error).stack];
    process.stderr.write(`${lines.join("\n")}\n`);
  }
  return EXIT.PROBLEMS;
}
