/**
 * Records the events of this host for the admin page: host calls of providers, denials, and state changes of keys. Memory is bounded for
 * any number of events; texts of guests are cut, and control characters are replaced.
 */
import { replaceControls } from "../lib/text.ts";

export interface HostCallNote {
  readonly provider: string;
  readonly rpc: string;
  readonly capability: string;
  readonly operation: string;
  readonly verdict: "allowed" | "denied" | "refused";
  readonly why: string;
  readonly target?: string | undefined;
}

/** The counts of one operation of a provider. */
export interface Reached {
  readonly capability: string;
  readonly operation: string;
  readonly allowed: number;
  readonly denied: number;
  readonly refused: number;
  /** The last distinct targets, the latest first. */
  readonly targets: readonly string[];
}

export interface Denial {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly provider: string;
  readonly rpc: string;
  readonly request: string;
  readonly why: string;
}

/** A state change of a key or a provider. */
export interface Change {
  readonly at: number;
  readonly subject: string;
  readonly good: boolean;
  readonly detail: string;
}

export interface ProbeNote {
  readonly at: number;
  readonly result: "good" | "failed" | "unknown";
  /** Milliseconds since the last good probe, when this was read. */
  readonly goodAgeMs?: number;
}

/** Limits on entries; `text` is in UTF-16 units. */
export const BOUNDS = {
  denials: 50,
  changes: 50,
  operations: 32,
  targets: 5,
  text: 160,
  names: 128,
} as const;
const OTHER = "other";

interface Counts {
  allowed: number;
  denied: number;
  refused: number;
  /** In order of their last use. */
  readonly targets: Set<string>;
}

export class Recorder {
  readonly #reached = new Map<string, Map<string, Counts>>();
  readonly #denials: Denial[] = [];
  readonly #changes: Change[] = [];
  readonly #probes = new Map<
    string,
    { at: number; result: ProbeNote["result"]; goodAt?: number | undefined }
  >();

  hostCall({ provider, rpc, capability, operation, verdict, why, target }: HostCallNote): void {
    const counts = this.#counts(provider, `${capability} ${operation}`);
    if (counts !== undefined) {
      counts[verdict] += 1;
      if (target !== undefined) remember(counts.targets, target);
    }
    if (verdict !== "denied") return;
    const request = clean(`${capability} ${operation}`);
    push(this.#denials, BOUNDS.denials, { at: Date.now(), provider, rpc, request, why: clean(why) });
  }

  changed(subject: string, good: boolean, detail: string): void {
    push(this.#changes, BOUNDS.changes, {
      at: Date.now(),
      subject: clean(subject),
      good,
      detail: clean(detail),
    });
  }

  probe(key: string, result: ProbeNote["result"]): void {
    const before = this.#probes.get(key);
    if (before === undefined && this.#probes.size >= BOUNDS.names) return;
    const goodAt = result === "good" ? performance.now() : before?.goodAt;
    this.#probes.set(key, { at: Date.now(), result, goodAt });
  }

  reached(provider: string): Reached[] {
    return [...(this.#reached.get(provider) ?? [])].map(([name, { targets, ...counts }]) => {
      const [capability = OTHER, operation = ""] = name.split(" ");
      return { capability, operation, ...counts, targets: [...targets].reverse() };
    });
  }

  /** The latest first. */
  denials(): Denial[] {
    return this.#denials.toReversed();
  }

  /** The latest first. */
  changes(): Change[] {
    return this.#changes.toReversed();
  }

  lastProbe(key: string): ProbeNote | undefined {
    const probe = this.#probes.get(key);
    if (probe === undefined) return undefined;
    const { at, result, goodAt } = probe;
    return { at, result, ...(goodAt === undefined ? {} : { goodAgeMs: performance.now() - goodAt }) };
  }

  /** Operations and providers come from fixed lists, so a correct caller never reaches the limits here. */
  #counts(provider: string, operation: string): Counts | undefined {
    let operations = this.#reached.get(provider);
    if (operations === undefined) {
      if (this.#reached.size >= BOUNDS.names) return undefined;
      operations = new Map();
      this.#reached.set(provider, operations);
    }
    let counts = operations.get(operation);
    if (counts === undefined) {
      const name = operations.size >= BOUNDS.operations ? OTHER : clean(operation);
      counts = operations.get(name) ?? { allowed: 0, denied: 0, refused: 0, targets: new Set() };
      operations.set(name, counts);
    }
    return counts;
  }
}

function push<T>(ring: T[], limit: number, entry: T): void {
  if (ring.length >= limit) ring.shift();
  ring.push(entry);
}

function remember(targets: Set<string>, text: string): void {
  const target = clean(text);
  targets.delete(target);
  targets.add(target);
  if (targets.size > BOUNDS.targets) targets.delete(first(targets));
}

function first(texts: Set<string>): string {
  for (const text of texts) return text;
  return "";
}

/** Cuts a text, then replaces control and format characters, which could hide or reverse a part of it. Cutting first bounds the cost. */
export function clean(text: string): string {
  const cut = text.length > BOUNDS.text ? `${text.slice(0, BOUNDS.text)}…` : text;
  return replaceControls(cut);
}
