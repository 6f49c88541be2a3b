/** Quotes answers for YAML and for the shell commands in the comments of the file. */
import { stringify } from "yaml";

/** Writes a text as a YAML scalar on one line, valid in a flow list too. It is quoted if YAML would parse it differently. */
export function scalar(text: string): string {
  return /^[A-Za-z0-9/][A-Za-z0-9_./@-]*$/.test(text)
    ? stringify(text, { lineWidth: 0 }).trim()
    : JSON.stringify(text);
}

/** Quotes a text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
