/** kleidi audit query: prints the records that match the options. */
import { type Query, query } from "../audit/query.ts";
import { RECORDS } from "../audit/record.ts";
import { render } from "../audit/render.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import { escapeForTerminal } from "../lib/text.ts";
import { logFiles } from "./audit-files.ts";
import { LineWriter } from "./line-writer.ts";
import { EXIT } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface AuditQueryOptions extends Query {
  readonly json: boolean;
}

/** The words that records contain. Any other word is a typo: a query for it finds nothing, which looks like an answer. */
const WORDS = {
  kind: Object.keys(RECORDS),
  decision: RECORDS.host_call.decision.of,
  rpc: RECORDS.host_call.rpc.of,
  capability: CAPABILITIES.map(({ name }) => name),
} as const;

/** @param paths the files of one log, in any order @throws UsageError */
export function auditQueryCommand(paths: readonly string[], { json, ...filter }: AuditQueryOptions): number {
  for (const [name, words] of Object.entries(WORDS))
    assertWord(name, filter[name as keyof typeof WORDS], words);
  assertTime("--since", filter.since);
  assertTime("--until", filter.until);
  const { files } = logFiles(paths);
  const out = new LineWriter();
  const { unreadable } = query(files, filter, (line, record) =>
    out.write(json ? escapeForTerminal(line) : render(record)),
  );
  out.flush();
  if (unreadable > 0)
    process.stderr.write(`${unreadable} lines are not records: run "kleidi audit verify".\n`);
  return unreadable > 0 ? EXIT.PROBLEMS : EXIT.SUCCESS;
}

function assertWord(option: string, word: string | undefined, words: readonly string[]): void {
  if (word === undefined || words.includes(word)) return;
  throw new UsageError(`Cannot use --${option} ${word}: expected one of ${words.join(", ")}`);
}

/** Checks that a time is a prefix of a time as records contain it. @throws UsageError */
function assertTime(option: string, time: string | undefined): void {
  const earliest = "0000-01-01T00:00:00.000Z";
  if (
    time === undefined ||
    (time.length >= 4 && !Number.isNaN(Date.parse(time + earliest.slice(time.length))))
  )
    return;
  throw new UsageError(
    `Cannot use ${option} ${time}: expected a time in UTC, for example 2026-01-31 or 2026-01-31T10:30`,
  );
}
