/** The history of the keys: it must be complete, and the active key must not be a former one. */
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { type Finding, finding } from "../finding.ts";
import { placeOf, readHistory, recordsOf } from "../keys/history.ts";
import { type Past, pastOf } from "../keys/past.ts";
import { reconcile } from "../keys/reconcile.ts";
import type { HistoryRecord } from "../keys/record.ts";

export interface ExaminedHistory {
  readonly past: Past;
  /** False: there is no history yet, or it cannot be trusted. */
  readonly isKnown: boolean;
  readonly findings: readonly Finding[];
}

/** Reads the history of the keys and compares it with its marks and with the configuration. Changes nothing. */
export function examineHistory(config: Config): ExaminedHistory {
  const subject = "history";
  try {
    const history = readHistory(placeOf(config));
    if (history.fault !== undefined) throw new KleidiError("history-invalid/lost", history.fault);
    const records = recordsOf(history);
    if (records.length === 0) return { past: pastOf([]), isKnown: false, findings: [] };
    const { events, notes } = reconcile(records, config);
    const now = new Date().toISOString();
    const all: HistoryRecord[] = [...records, ...events.map((event) => ({ ...event, seq: 0, at: now }))];
    const past = pastOf(all);
    return {
      past,
      isKnown: true,
      findings: [...notes.map((detail) => noted(subject, detail)), ...returned(past)],
    };
  } catch (error) {
    return { past: pastOf([]), isKnown: false, findings: [finding(subject, error)] };
  }
}

function noted(subject: string, detail: string): Finding {
  const hint = "The next key rotate, promote or retire records it.";
  return { subject, ok: true, warning: true, detail: detail.replace(/\.$/, ""), hint };
}

function returned({ active, keys }: Past): Finding[] {
  const key = active === undefined ? undefined : keys.get(active);
  if (key?.returned !== true) return [];
  const detail = `key "${key.name}" is active again after another key was: objects that were written in between can look current when they are not`;
  return [
    {
      subject: "history",
      ok: false,
      detail,
      hint: "Rotate to a new key, promote it, and rewrite every object.",
    },
  ];
}
