/** kleidi audit query: the records that are asked for. */
import { type Query, query } from "../audit/query.ts";
import { harmless, render } from "../audit/render.ts";
import { logFiles } from "./audit-files.ts";
import { LineWriter } from "./line-writer.ts";
import { EXIT, Misused } from "./output.ts";

export interface AuditQueryOptions extends Query {
  readonly json: boolean;
}

export function auditQueryCommand(given: readonly string[], { json, ...asked }: AuditQueryOptions): number {
  assertTime("--since", asked.since);
  assertTime("--until", asked.until);
  const { files } = logFiles(given);
  const out = new LineWriter();
  const { unreadable } = query(files, asked, (line, record) =>
    out.write(json ? harmless(line) : render(record)),
  );
  out.flush();
  if (unreadable > 0)
    process.stderr.write(`${unreadable} lines are no records: see "kleidi audit verify".\n`);
  return unreadable > 0 ? EXIT.FOUND : EXIT.GOOD;
}

/** The beginning of a time as it stands in a record. */
function assertTime(option: string, time: string | undefined): void {
  const whole = "0000-01-01T00:00:00.000Z";
  if (time === undefined || (time.length >= 4 && !Number.isNaN(Date.parse(time + whole.slice(time.length)))))
    return;
  throw new Misused(
    `Cannot use ${option} ${time}: it should be a time in UTC, as 2026-01-31 or 2026-01-31T10:30`,
  );
}
