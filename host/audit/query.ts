/** Searches the records of a log. */
import { type Head, recordOf } from "./chain.ts";
import { eachLine, headOfLine, sortBySequence, textOf } from "./lines.ts";

export type LogRecord = Head & Readonly<Record<string, unknown>>;

export interface Query {
  readonly kind?: string | undefined;
  readonly uid?: string | undefined;
  readonly provider?: string | undefined;
  readonly capability?: string | undefined;
  readonly decision?: string | undefined;
  readonly rpc?: string | undefined;
  /** ISO 8601 in UTC, or a prefix of it: 2026-01-31T10. */
  readonly since?: string | undefined;
  /** Like `since`; a time with this prefix is included. */
  readonly until?: string | undefined;
}

const EQUAL = ["uid", "provider", "capability", "decision", "rpc"] as const;

/**
 * Passes each matching record to `use`, in the order of sequences.
 * @param filter every given property must match
 * @returns the number of matches, and of lines that are not valid records
 */
export function query(
  files: readonly string[],
  filter: Query,
  use: (line: string, record: LogRecord) => void,
): { readonly found: number; readonly unreadable: number } {
  const matches = matcher(filter);
  let found = 0;
  let unreadable = 0;
  for (const file of sortBySequence(files)) {
    eachLine(file, (line) => {
      const head = headOfLine(line);
      if (head === undefined || !line.isComplete) {
        unreadable += 1;
        return true;
      }
      const text = matches(head) ? textOf(line) : undefined;
      const record = text === undefined ? undefined : recordOf(text);
      if (text !== undefined && record === undefined) unreadable += 1;
      if (text !== undefined && record !== undefined && hasFields(record, filter)) {
        found += 1;
        use(text, record);
      }
      return true;
    });
  }
  return { found, unreadable };
}

/** Returns the part of the filter that needs only the head of a line. */
function matcher({ kind, since, until }: Query): (head: Head) => boolean {
  return (head) =>
    (kind === undefined || head.kind === kind) &&
    (since === undefined || head.time >= since) &&
    (until === undefined || head.time.slice(0, until.length) <= until);
}

function hasFields(record: LogRecord, filter: Query): boolean {
  return EQUAL.every((name) => filter[name] === undefined || record[name] === filter[name]);
}
