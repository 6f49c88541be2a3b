/** kleidi audit query: the records that are asked for. */

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

/** What stands in no record is a slip: nothing would be found, which would read as that there was nothing. */
const WORDS = {
  kind: Object.keys(RECORDS),
  decision: RECORDS.host_call.decision.of,
  rpc: RECORDS.host_call.rpc.of,
  capability: CAPABILITIES.map(({ name }) => name),
} as const;

export function auditQueryCommand(given: readonly string[], { json, ...asked }: AuditQueryOptions): number {
  for (const [name, words] of Object.entries(WORDS))
    assertWord(name, asked[name as keyof typeof WORDS], words);
  assertTime("--since", asked.since);
  assertTime("--until", asked.until);
  const { files } = logFiles(given);
  const out = new LineWriter();
  const { unreadable } = query(files, asked, (line, record) =>
    out.write(json ? escapeForTerminal(line) : render(record)),
  );
  out.flush();
  if (unreadable > 0)
    process.stderr.write(`${unreadable} lines are no records: see "kleidi audit verify".\n`);
  return unreadable > 0 ? EXIT.PROBLEMS : EXIT.SUCCESS;
}

function assertWord(option: string, word: string | undefined, words: readonly string[]): void {
  if (word === undefined || words.includes(word)) return;
  throw new UsageError(`Cannot use --${option} ${word}: it should be one of ${words.join(", ")}`);
}

/** The beginning of a time as it stands in a record. */
function assertTime(option: string, time: string | undefined): void {
  const whole = "0000-01-01T00:00:00.000Z";
  if (time === undefined || (time.length >= 4 && !Number.isNaN(Date.parse(time + whole.slice(time.length)))))
    return;
  throw new UsageError(
    `Cannot use ${option} ${time}: it should be a time in UTC, as 2026-01-31 or 2026-01-31T10:30`,
  );
}
