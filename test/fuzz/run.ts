/** npm run fuzz: all targets for any time, in turns; HELP in options.ts explains it. */
import type fc from "fast-check";
import { UsageError } from "../../host/cli/usage-error.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import { type Runner, RunningTarget } from "./runner.ts";
import { TARGETS } from "./targets.ts";

const EXIT = { SUCCESS: 0, FOUND: 1, USAGE: 2 } as const;
const TURN_MS = 1_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options !== "help") return await fuzz(options);
    process.stdout.write(HELP);
    return EXIT.SUCCESS;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`Cannot fuzz: ${error.message}\n\n${HELP}`);
    return EXIT.USAGE;
  }
}

async function fuzz(options: Options): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const targets: RunningTarget[] = [];
  try {
    for (const target of TARGETS) {
      if (options.target !== undefined && target.name !== options.target) continue;
      targets.push(await RunningTarget.open(target, options.keep));
    }
    if (options.path === undefined) await inTurns(targets, options, stop.signal);
    else await once(targets, { seed: options.seed, path: options.path }, options.property);
    return summary(targets);
  } finally {
    for (const target of targets) await target.close();
  }
}

/** Runs one input, as printed by a failure. */
async function once(
  targets: readonly RunningTarget[],
  parameters: fc.Parameters<unknown>,
  name: string | undefined,
): Promise<void> {
  const runners = targets
    .flatMap((target) => target.runners)
    .filter(({ property }) => name === undefined || property.name === name);
  if (runners.length === 0) throw new UsageError(`no property is named "${name}"`);
  for (const runner of runners) tell(await runner.target.run(runner, parameters));
}

async function inTurns(
  targets: readonly RunningTarget[],
  { ms, inputs, seed }: Options,
  signal: AbortSignal,
): Promise<void> {
  console.log(`Fuzzing for ${ms / 60_000} minutes from seed ${seed}`);
  const end = performance.now() + ms;
  const isOver = () => signal.aborted || performance.now() >= end || sum(targets) >= inputs;
  for (const target of targets) for (const failure of await target.replay()) tell(failure);
  const runners = targets.flatMap((target) => target.runners);
  for (let round = 0; !isOver() && runners.some(({ failed }) => !failed); round++) {
    for (const runner of runners) {
      // a signal is handled between turns
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver()) break;
      if (runner.failed) continue;
      await turn(runner, (seed + round) | 0, end - performance.now(), inputs - sum(targets));
      progress(targets, Math.max(0, end - performance.now()));
    }
  }
}

async function turn(runner: Runner, seed: number, leftMs: number, leftInputs: number): Promise<void> {
  const parameters = { seed, numRuns: Math.min(leftInputs, Number.MAX_SAFE_INTEGER) };
  tell(await runner.target.run(runner, parameters, Math.min(TURN_MS, leftMs)));
}

function sum(targets: readonly RunningTarget[]): number {
  return targets.reduce((total, { inputs }) => total + inputs, 0);
}

function tell(failure: string | undefined): void {
  if (failure === undefined) return;
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  console.log(`\n${failure}\n`);
}

/** Prints one line, on a terminal only. */
function progress(targets: readonly RunningTarget[], leftMs: number): void {
  if (!process.stderr.isTTY) return;
  const parts = targets.map(({ name, inputs }) => `${name} ${inputs}`);
  const failures = targets.reduce((total, target) => total + target.failures, 0);
  const left = Math.ceil(leftMs / 1000);
  process.stderr.write(`\r\u001b[K${left} s left, ${failures} failures; inputs: ${parts.join(", ")}`);
}

/** Prints the inputs, failures and outcomes of each target, and the kept inputs. */
function summary(targets: readonly RunningTarget[]): number {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  for (const target of targets) {
    const outcomes = [...target.outcomes].sort((a, b) => b[1] - a[1]);
    const seen = outcomes.map(([outcome, count]) => `${outcome} ${count}`).join(", ");
    const files = target.write();
    const kept = files === undefined ? "" : `; corpus: ${files.added} added, ${files.removed} removed`;
    console.log(`${target.name}: ${target.inputs} inputs, ${target.failures} failures (${seen})${kept}`);
  }
  console.log(`In all: ${sum(targets)} inputs`);
  return targets.some(({ failures }) => failures > 0) ? EXIT.FOUND : EXIT.SUCCESS;
}
