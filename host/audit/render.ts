/** Renders a record as a line for people. The log is untrusted: its text is escaped for the terminal. */
import { escapeForTerminal } from "../lib/text.ts";
import type { LogRecord } from "./query.ts";

/** The fields at the front of a line, in this order and without their names. */
const FIRST = ["decision", "rpc", "provider", "capability", "operation", "event", "target"];
const HEAD = new Set(["v", "chain", "prev", "seq", "time", "kind", ...FIRST]);

/** @example 2026-01-31T10:00:00.000Z #12 host_call allowed decrypt vault net request https://vault/v1 outcome=ok ms=1.5 */
export function render(record: LogRecord): string {
  const words = FIRST.flatMap((name) => (record[name] === undefined ? [] : [String(record[name])]));
  const others = Object.entries(record)
    .filter(([name]) => !HEAD.has(name))
    .map(([name, value]) => `${name}=${formatValue(value)}`);
  return escapeForTerminal([record.time, `#${record.seq}`, record.kind, ...words, ...others].join(" "));
}

function formatValue(value: unknown): string {
  return typeof value === "string" && !value.includes(" ") ? value : JSON.stringify(value);
}
