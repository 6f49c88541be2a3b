/** Which records are asked for. */
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
  /** ISO 8601 in UTC, or the beginning of one: 2026-01-31T10. */
  readonly since?: string | undefined;
  /** Likewise; what begins with it is still in. */
  readonly until?: string | undefined;
}

const EQUAL = ["uid", "provider", "capability", "decision", "rpc"] as const;

/** Gives each record that is asked for to `use`, in the order of the files' sequences. What is no record is passed over and counted. */
export function query(
  files: readonly string[],
  asked: Query,
  use: (line: string, record: LogRecord) => void,
): { readonly found: number; readonly unreadable: number } {
  const matches = matcher(asked);
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
      if (text !== undefined && record !== undefined && has(record, asked)) {
        found += 1;
        use(text, record);
      }
      return true;
    });
  }
  return { found, unreadable };
}

/** What can be told from a line's head alone. */
function matcher({ kind, since, until }: Query): (head: Head) => boolean {
  return (head) =>
    (kind === undefined || head.kind === kind) &&
    (since === undefined || head.time >= since) &&
    (until === undefined || head.time.slice(0, until.length) <= until);
}

function has(record: LogRecord, asked: Query): boolean {
  return EQUAL.every((name) => asked[name] === undefined || record[name] === asked[name]);
}
