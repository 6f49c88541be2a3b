/** The parts that rotate, promote, retire and list share: the running host, the situation, refusals, and the output. */
import { hostname } from "node:os";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { iso, type Objection, type RunningHost, type Situation } from "../keys/life.ts";
import type { Past } from "../keys/past.ts";
import { lineDiff } from "../lib/line-diff.ts";
import { adminAddress } from "../runtime/admin-address.ts";
import { fetchStateReport } from "../runtime/fetch-state.ts";
import type { HostReport, KeyReport } from "../telemetry/report.ts";
import { EXIT, print } from "./output.ts";

export interface LifeOptions {
  readonly json: boolean;
  /** Print the change of the configuration, and make none. */
  readonly dryRun: boolean;
  readonly force: boolean;
}

/** The result of a command: lines for people, fields for --json. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Asks the host that runs with the configuration. */
export async function situationOf(config: Config, past: Past): Promise<Situation> {
  const { intervalMs, stableProbes } = config.status;
  const about = { node: hostname(), now: Date.now(), past, lagMs: intervalMs * stableProbes };
  const { admin } = config;
  if (admin === undefined)
    return {
      ...about,
      host: undefined,
      silence: "the configuration has no admin: { listen: 127.0.0.1:9464 }",
    };
  try {
    const report = await fetchStateReport(admin);
    if (report === undefined)
      return { ...about, host: undefined, silence: `no host answers at ${adminAddress(admin)}` };
    return { ...about, host: { configuredAt: configuredAt(report), keys: report.keys.map(heldOf) } };
  } catch (error) {
    const silence = `the process at ${adminAddress(admin)} does not answer as a kleidi host: ${(error as Error).message}`;
    return { ...about, host: undefined, silence };
  }
}

/** A refused reload hides the time of an applied one before it. */
function configuredAt({ startedAt, lastReload }: HostReport): number | undefined {
  if (lastReload === undefined) return startedAt;
  return lastReload.outcome === "applied" ? lastReload.at : undefined;
}

function heldOf({
  name,
  provider,
  use,
  failure,
  key_id_sha256,
  key_id_hashes,
}: KeyReport): RunningHost["keys"][number] {
  return {
    name,
    provider,
    use: use === "active" ? "active" : "decrypt",
    ready: failure === undefined && key_id_sha256 !== undefined,
    hashes: key_id_hashes,
  };
}

/**
 * Refuses a change for its objections.
 * @param action "promote", "retire"
 * @returns the objections that --force overrides
 * @throws KleidiError key-change-refused
 */
export function assertNoObjections(
  action: string,
  name: string,
  objections: readonly Objection[],
  { force }: LifeOptions,
): readonly string[] {
  const messages = objections.map(({ message }) => message);
  if (messages.length === 0 || force) return messages;
  throw new KleidiError(
    "key-change-refused/objections",
    `Cannot ${action} key "${name}": ${messages.join(";\n  ")}`,
  );
}

/** The lines that tell loudly what --force overrode. */
export function forcedLines(action: string, name: string, forced: readonly string[]): string[] {
  return forced.map((message) => `FORCED to ${action} "${name}", although ${message}`);
}

/**
 * The outcome of --dry-run.
 * @param action "promote", "retire"
 * @param proof of a retirement
 */
export function dryRunOutcome(
  action: string,
  name: string,
  diff: readonly string[],
  objections: readonly Objection[],
  proof?: string,
): Outcome {
  const refused = objections.map(({ message }) => message);
  const proved = action === "retire" ? ` Proof: ${proof}.` : "";
  const verdict =
    refused.length === 0
      ? [`"kleidi key ${action} ${name}" would be done.${proved}`]
      : refused.map((each) => `Would be refused: ${each}`);
  return {
    lines: [...diff, ...verdict, "Nothing was changed (--dry-run)."],
    fields: { changed: false, key: name, refused, proof, diff },
  };
}

export function diffLines(file: string, before: string, after: string): string[] {
  return [`--- ${file}`, `+++ ${file}`, ...lineDiff(before, after)];
}

/** The line that tells a time from which something is allowed. */
export function fromTime(at: number | undefined, now: number): string {
  return at === undefined || at <= now ? "now" : `from ${iso(at)}`;
}

/** Prints the outcome. @returns the exit code */
export function show({ lines, fields }: Outcome, notes: readonly string[], json: boolean): number {
  if (json) print(JSON.stringify({ ok: true, ...fields, notes }, null, 2));
  else for (const line of [...notes, ...lines]) print(line);
  return EXIT.SUCCESS;
}
