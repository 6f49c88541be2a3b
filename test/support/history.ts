/** Changes the time of a history of keys, so that a test need not wait for minutes. */
import { readFileSync, writeFileSync } from "node:fs";
import { type Line, lineOf, parseLines } from "../../host/keys/record.ts";

/** Makes every record older. @param marks the paths of the marks, which get the new checksum */
export function ageHistory(file: string, marks: readonly string[], byMs: number): void {
  const { lines, fault } = parseLines(readFileSync(file, "utf8"));
  if (fault !== undefined) throw new Error(`the history ${fault}`);
  const aged: Line[] = [];
  for (const { record } of lines) {
    const at = new Date(Date.parse(record.at) - byMs).toISOString();
    aged.push(lineOf({ ...record, at }, aged.at(-1)?.sha256 ?? ""));
  }
  writeFileSync(file, aged.map(({ text }) => `${text}\n`).join(""));
  const last = aged.at(-1);
  for (const mark of marks) writeFileSync(mark, `kleidi-history-1 ${last?.record.seq} ${last?.sha256}\n`);
}
