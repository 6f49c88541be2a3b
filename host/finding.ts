/** One line of the report of a command that looks at things: `check`, `doctor`, `key list`. */
import { KleidiError } from "./error.ts";
import { replaceControls } from "./lib/text.ts";

export interface Finding {
  /** The object that was looked at. */
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do, where it is not ok. */
  readonly hint?: string | undefined;
}

/** A failure as a finding. @throws what is not a KleidiError */
export function finding(what: string, error: unknown): Finding {
  if (!(error instanceof KleidiError)) throw error;
  return { what, ok: false, detail: error.message, hint: [...causesOf(error), error.hint].join("\n     ") };
}

/** What a provider or a system said of a failure: not for the API server, and needed by whoever fixes it. */
export function causesOf({ cause }: KleidiError): string[] {
  if (typeof cause === "string") return cause === "" ? [] : [`It said: ${replaceControls(cause)}`];
  return cause instanceof KleidiError ? [cause.message, ...causesOf(cause)] : [];
}
