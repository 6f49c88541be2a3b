/** One line in the report of a checking command: `check`, `doctor`, `key list`. */
import { KleidiError } from "./error.ts";
import { replaceControls } from "./lib/text.ts";

export interface Finding {
  /** The checked object, such as `provider "vault"`. */
  readonly subject: string;
  readonly ok: boolean;
  readonly detail: string;
  /** The next step for the operator. Absent if ok. */
  readonly hint?: string | undefined;
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
