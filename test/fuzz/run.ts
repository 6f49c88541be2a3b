/** npm run fuzz: all targets for as long as one likes, in turns; HELP says how. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { describeFailure } from "./report.ts";
import type { OpenTarget, Property } from "./target.ts";
import { TARGETS } from "./targets.ts";

const HELP = `Usage: npm run fuzz -- [--minutes N] [--target NAME] [--seed S]

Runs the fuzz targets in turns, with new cases each time, until the time is over or Ctrl-C.

  --minutes N       how long (default 5; fractions are fine)
  --target NAME     only this one: ${TARGETS.map(({ name }) => name).join(", ")}
  --seed S          the seed of the first turn, an integer (default: random)
  --path P          with --target and --seed: only this case, as a failure prints it
  --property TEXT   with --path: the property that failed, as a failure prints it
  --help            this page

A property that failed is not run again. Exit codes: 0 good, 1 found something, 2 used wrongly.
`;
const EXIT = { GOOD: 0, FOUND: 1, USAGE: 2 } as const;
const TURN_MS = 1_000;
const SHRINK_MS = 60_000;

interface Runner {
  readonly target: string;
  readonly property: Property;
  readonly outcomes: Map<string, number>;
  cases: number;
  failed: boolean;
}

interface Options {
  readonly ms: number;
  readonly target: string | undefined;
  readonly seed: number;
  readonly path: string | undefined;
  readonly property: string | undefined;
}

const options = optionsOf(process.argv.slice(2));
process.exitCode = await run(options);

async function run({ ms, target, seed, path, property }: Options): Promise<number> {
  let stopped = false;
  process.once("SIGINT", () => {
    stopped = true;
  });
  const runners: Runner[] = [];
  const opened: OpenTarget[] = [];
  try {
    for (const { name, open } of TARGETS) {
      if (target !== undefined && name !== target) continue;
      const outcomes = new Map<string, number>();
      const one = await open((outcome) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1));
      opened.push(one);
      for (const each of one.properties) {
        if (property !== undefined && each.name !== property) continue;
        runners.push({ target: name, property: each, outcomes, cases: 0, failed: false });
      }
    }
    if (runners.length === 0) return usage(`Cannot fuzz: no property is named "${property}"`);
    if (path !== undefined) {
      for (const runner of runners) await turn(runner, { seed, path });
      return summary(runners);
    }
    console.log(`Fuzzing for ${ms / 60_000} minutes from seed ${seed}`);
    const end = performance.now() + ms;
    for (
      let round = 0;
      !stopped && performance.now() < end && runners.some(({ failed }) => !failed);
      round++
    ) {
      for (const runner of runners) {
        // A signal is heard between turns.
        await new Promise((resolve) => setImmediate(resolve));
        const left = end - performance.now();
        if (stopped || left <= 0) break;
        if (runner.failed) continue;
        await turn(runner, {
          seed: (seed + round) | 0,
          numRuns: Number.MAX_SAFE_INTEGER,
          interruptAfterTimeLimit: Math.min(TURN_MS, left),
          markInterruptAsFailure: false,
        });
        progress(runners, Math.max(0, end - performance.now()));
      }
    }
    return summary(runners);
  } finally {
    for (const { close } of opened) await close?.();
  }
}

async function turn(runner: Runner, parameters: fc.Parameters<unknown>): Promise<void> {
  let details = await fc.check(runner.property.property, parameters);
  runner.cases += details.numRuns;
  if (!details.failed) return;
  runner.failed = true;
  // The turn's end may have cut the shrinking short: on from there.
  const { seed, counterexamplePath } = details;
  if (counterexamplePath !== null && parameters.path === undefined) {
    const shrunk = await fc.check(runner.property.property, {
      seed,
      path: counterexamplePath,
      interruptAfterTimeLimit: SHRINK_MS,
    });
    if (shrunk.failed && shrunk.counterexamplePath !== null) details = shrunk;
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  console.log(`\n${describeFailure(runner.target, runner.property, details)}\n`);
}

/** One line, on a terminal only. */
function progress(runners: readonly Runner[], leftMs: number): void {
  if (!process.stderr.isTTY) return;
  const parts = [...casesByTarget(runners)].map(([target, cases]) => `${target} ${cases}`);
  const failures = runners.filter(({ failed }) => failed).length;
  const left = Math.ceil(leftMs / 1000);
  process.stderr.write(`\r\u001b[K${left} s left, ${failures} failures; cases: ${parts.join(", ")}`);
}

function casesByTarget(runners: readonly Runner[]): Map<string, number> {
  const cases = new Map<string, number>();
  for (const runner of runners) cases.set(runner.target, (cases.get(runner.target) ?? 0) + runner.cases);
  return cases;
}

/** Cases, failures and what came of the cases, for each target. */
function summary(runners: readonly Runner[]): number {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  for (const [target, cases] of casesByTarget(runners)) {
    const own = runners.filter((runner) => runner.target === target);
    const failures = own.filter(({ failed }) => failed).length;
    const outcomes = [...(own[0]?.outcomes ?? [])].sort((a, b) => b[1] - a[1]);
    const seen = outcomes.map(([outcome, count]) => `${outcome} ${count}`).join(", ");
    console.log(`${target}: ${cases} cases, ${failures} failures (${seen})`);
  }
  return runners.some(({ failed }) => failed) ? EXIT.FOUND : EXIT.GOOD;
}

function optionsOf(args: string[]): Options {
  const text = { type: "string" } as const;
  let values: Partial<Record<"minutes" | "target" | "seed" | "path" | "property", string>> & {
    help?: boolean;
  };
  try {
    ({ values } = parseArgs({
      args,
      options: {
        minutes: text,
        target: text,
        seed: text,
        path: text,
        property: text,
        help: { type: "boolean" },
      },
    }));
  } catch (error) {
    process.exit(usage(`Cannot fuzz: ${(error as Error).message}`));
  }
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(EXIT.GOOD);
  }
  const { minutes = "5", target, path, property } = values;
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  const known = TARGETS.map(({ name }) => name);
  const fault = !(Number(minutes) > 0 && Number(minutes) < Number.POSITIVE_INFINITY)
    ? `--minutes is "${minutes}", a number over 0 is expected`
    : target !== undefined && !known.includes(target)
      ? `there is no target "${target}"; there are ${known.join(", ")}`
      : values.seed === "" || seed !== (seed | 0)
        ? `--seed is "${values.seed}", an integer of 32 bits is expected`
        : path !== undefined && !/^\d+(:\d+)*$/.test(path)
          ? `--path is "${path}", numbers with ":" between them are expected`
          : path !== undefined && (target === undefined || values.seed === undefined)
            ? "--path is of no use without --target and --seed"
            : undefined;
  if (fault !== undefined) process.exit(usage(`Cannot fuzz: ${fault}`));
  return { ms: Number(minutes) * 60_000, target, seed, path, property };
}

function usage(message: string): number {
  console.error(`${message}\n\n${HELP}`);
  return EXIT.USAGE;
}
