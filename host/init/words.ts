/** Writes answers into the two languages of the file: YAML, and the shell commands in its comments. */
import { stringify } from "yaml";

/** A text as a YAML scalar on one line, fit for a flow list too: quoted if it would be read as something else. */
export function scalar(text: string): string {
  return /^[A-Za-z0-9/][A-Za-z0-9_./@-]*$/.test(text)
    ? stringify(text, { lineWidth: 0 }).trim()
    : JSON.stringify(text);
}

/** A text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
