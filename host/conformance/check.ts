/** A check of the kit: a name, the clause that it tests, and a run that lists the faults it found. */
import { NotGood, type Subject } from "./subject.ts";

/** 0 admission, 1 messages, 2 contract, 3 scripted host, 4 live. */
export type Level = 0 | 1 | 2 | 3 | 4;

export interface Check {
  /** A name of the case in words joined by _, for a report that is compared with an earlier one. */
  readonly name: string;
  readonly level: Level;
  /** The section of docs/ABI.md. */
  readonly section: string;
  /** The clause is a SHOULD: a fault is a warning. */
  readonly should?: boolean;
  run(subject: Subject): Promise<Findings>;
}

/** The result of a check: its faults, or the reason for which it does not apply. */
export type Findings = readonly string[] | { readonly skipped: string };

export interface Result {
  readonly name: string;
  readonly level: Level;
  readonly section: string;
  readonly result: "pass" | "fail" | "warn" | "skip";
  /** The faults; the reason of a skip. */
  readonly text: readonly string[];
  readonly ms: number;
}

/** The most faults of a check that are reported. */
const MAX_FAULTS = 5;

/** Runs a check. A request that should have succeeded and did not is its fault. */
export async function runCheck(
  { run, name, level, section, should = false }: Check,
  subject: Subject,
): Promise<Result> {
  const begun = performance.now();
  const findings = await run(subject).catch((error: unknown) => {
    if (error instanceof NotGood) return [error.message];
    throw error;
  });
  const ms = Math.round(performance.now() - begun);
  const all = { name, level, section, ms };
  if ("skipped" in findings) return { ...all, result: "skip", text: [findings.skipped] };
  if (findings.length === 0) return { ...all, result: "pass", text: [] };
  const more = findings.length > MAX_FAULTS ? [`and ${findings.length - MAX_FAULTS} more`] : [];
  return { ...all, result: should ? "warn" : "fail", text: [...findings.slice(0, MAX_FAULTS), ...more] };
}

/**
 * Tries variants, several at a time.
 * @param tryOne returns the fault of a variant, or undefined
 * @param most variants that are tried: evenly spaced ones, the first and the last among them
 */
export async function eachOf<T>(
  { options: { parallel, variants: most } }: Subject,
  variants: readonly T[],
  tryOne: (variant: T) => Promise<string | undefined>,
): Promise<string[]> {
  const chosen = spread(variants, most);
  const faults: (string | undefined)[] = new Array(chosen.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < chosen.length; i = next++) faults[i] = await tryOne(chosen[i] as T);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return faults.filter((fault) => fault !== undefined);
}

function spread<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all;
  const step = (all.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => all[Math.round(i * step)] as T);
}
