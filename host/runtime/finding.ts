/** What was found where something was looked at: commands print it. */
import { KleidiError } from "../error.ts";

/** One line of a report: a thing that was looked at, and what was found. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do, where it is not ok. */
  readonly hint?: string | undefined;
}

/** A failure as a finding. */
export function finding(what: string, error: unknown): Finding {
  if (!(error instanceof KleidiError)) throw error;
  return { what, ok: false, detail: error.message, hint: [...wordsOf(error), error.hint].join("\n     ") };
}

/** What a provider or a system said of a failure: not for the API server, and needed by whoever mends it. */
export function wordsOf({ cause }: KleidiError): string[] {
  if (typeof cause === "string")
    return cause === "" ? [] : [`It said: ${cause.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd")}`];
  return cause instanceof KleidiError ? [cause.message, ...wordsOf(cause)] : [];
}
