/** Runs one check of something, and judges its findings. */
import { NotGood } from "./not-good.ts";

export interface Trial<Subject> {
  /** The clause is a SHOULD: a fault is a warning. */
  readonly should?: boolean;
  run(subject: Subject): Promise<Findings>;
}

/** The result of a check: its faults, or the reason for which it does not apply. */
export type Findings = readonly string[] | { readonly skipped: string };

export interface Verdict {
  readonly result: "pass" | "fail" | "warn" | "skip";
  /** The faults; the reason of a skip. */
  readonly text: readonly string[];
  readonly ms: number;
}

/** The most faults of a check that are reported. */
const MAX_FAULTS = 5;

/** Runs a check. A request that should have succeeded and did not is its fault. */
export async function verdictOf<Subject>(
  { run, should = false }: Trial<Subject>,
  subject: Subject,
): Promise<Verdict> {
  const begun = performance.now();
  const findings = await run(subject).catch((error: unknown) => {
    if (error instanceof NotGood) return [error.message];
    throw error;
  });
  const ms = Math.round(performance.now() - begun);
  if ("skipped" in findings) return { result: "skip", text: [findings.skipped], ms };
  if (findings.length === 0) return { result: "pass", text: [], ms };
  const more = findings.length > MAX_FAULTS ? [`and ${findings.length - MAX_FAULTS} more`] : [];
  return { result: should ? "warn" : "fail", text: [...findings.slice(0, MAX_FAULTS), ...more], ms };
}

/** How many variants are tried, and how many at a time. */
export interface Effort {
  readonly options: { readonly parallel: number; readonly variants: number };
}

/**
 * Tries variants, several at a time.
 * @param tryOne returns the fault of a variant, or undefined
 * @param most variants that are tried: evenly spaced ones, the first and the last among them
 */
export async function eachOf<T>(
  { options: { parallel, variants: most } }: Effort,
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
