/** One line in the report of a checking command: `check`, `doctor`, `key list`. */
import { KleidiError } from "./error.ts";
import { type Expiry, endsSoon, timeLeft } from "./lib/expiry.ts";
import { replaceControls } from "./lib/text.ts";

export interface Finding {
  /** The checked object, such as `provider "vault"`. */
  readonly subject: string;
  /** False: it does not work, and the command exits with 1. */
  readonly ok: boolean;
  /** True: it works today, and the operator must act before it ends. Only beside ok. */
  readonly warning?: boolean | undefined;
  readonly detail: string;
  /** The next step for the operator. Absent if there is nothing to do. */
  readonly hint?: string | undefined;
}

export type Level = "ok" | "warn" | "fail";

/** The level of a finding: ok, warn (works, but not for long) or fail. */
export function levelOf({ ok, warning }: Finding): Level {
  if (!ok) return "fail";
  return warning === true ? "warn" : "ok";
}

/**
 * Adds the end of the checked object to a finding: a warning with the time that is left, if that is short.
 * @param expiry undefined if it does not end
 * @param hint the next step, if it ends soon
 */
export function withEnd(
  finding: Finding,
  expiry: Pick<Expiry, "at" | "warningMs"> | undefined,
  hint: string,
): Finding {
  if (!finding.ok || expiry === undefined || !endsSoon(expiry)) return finding;
  const detail = `${finding.detail}; it ends in ${timeLeft(expiry.at)}`;
  return { ...finding, warning: true, detail, hint };
}

/**
 * Converts a failure into a finding.
 * @param subject the checked object
 * @throws the given value if it is not a KleidiError
 */
export function finding(subject: string, error: unknown): Finding {
  if (!(error instanceof KleidiError)) throw error;
  return {
    subject,
    ok: false,
    detail: error.message,
    hint: [...causesOf(error), error.hint].join("\n     "),
  };
}

/**
 * The causes of an error, for the operator. They can contain text from a provider or a backend, and must not reach the API server.
 * @returns one sentence each, outermost first; without control characters
 */
export function causesOf({ cause }: KleidiError): string[] {
  if (typeof cause === "string") return cause === "" ? [] : [`Cause: ${replaceControls(cause)}`];
  return cause instanceof KleidiError ? [cause.message, ...causesOf(cause)] : [];
}
