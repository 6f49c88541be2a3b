/** Compares the history with the configuration, pure: the outcome of an interrupted command, and changes that no command made. */
import { type Config, providerOf } from "../config/config.ts";
import { type Past, pastOf } from "./past.ts";
import type { HistoryEvent, HistoryRecord, KeyUse } from "./record.ts";

export interface Reconciled {
  /** To append to the history. */
  readonly events: readonly HistoryEvent[];
  /** A sentence for each thing that the operator should know. */
  readonly notes: readonly string[];
}

export function usesOf({ keys }: Pick<Config, "keys">): KeyUse[] {
  return keys.map((key) => ({ name: key.name, provider: providerOf(key), use: key.use }));
}

/** @param records without a fault */
export function reconcile(
  records: readonly HistoryRecord[],
  config: Pick<Config, "keys" | "sha256">,
): Reconciled {
  const keys = usesOf(config);
  if (records.length === 0)
    return {
      events: [{ event: "begin", keys }],
      notes: ["The history begins: nothing is known about the past of the keys."],
    };
  const { pending } = pastOf(records);
  const events: HistoryEvent[] = [];
  const notes: string[] = [];
  if (pending !== undefined) {
    const isDone = config.sha256 === pending.after;
    events.push({ event: isDone ? "done" : "undone", of: pending.seq });
    const outcome = isDone ? "had reached" : "did not reach";
    notes.push(
      `"kleidi key ${commandOf(pending.event)}" of key "${pending.key}" was interrupted, and ${outcome} the configuration.`,
    );
  }
  const settled = pastOf([
    ...records,
    ...events.map((event) => ({ ...event, seq: 0, at: records.at(-1)?.at ?? "" })),
  ]);
  const changes = changesOf(settled, keys);
  if (changes.length > 0) {
    events.push({ event: "found", keys });
    notes.push(`The keys of the configuration were changed without this command: ${changes.join("; ")}.`);
  }
  return { events, notes };
}

function changesOf({ uses }: Past, keys: readonly KeyUse[]): string[] {
  const names = new Set(keys.map(({ name }) => name));
  const removed = [...uses.keys()].filter((name) => !names.has(name)).map((name) => `"${name}" was removed`);
  const others = keys.flatMap(({ name, use }) => {
    const before = uses.get(name);
    if (before === use) return [];
    return [before === undefined ? `"${name}" was added` : `"${name}" is ${use} and was ${before}`];
  });
  return [...removed, ...others];
}

function commandOf(event: "stage" | "promote" | "retire"): string {
  return event === "stage" ? "rotate" : event;
}
