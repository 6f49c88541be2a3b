/** npm run mutate: measures how strong the tests of a file are. HELP in options.ts explains it; not part of npm test or of CI. */
import { join } from "node:path";
import { UsageError } from "../../host/cli/usage-error.ts";
import { draw } from "./changes.ts";
import { TreeCopy } from "./copy.ts";
import { changesOf, Laboratory, type Tested } from "./mutant.ts";
import { nearestTests } from "./nearest.ts";
import { HELP, type Options, parseOptions } from "./options.ts";

const EXIT = { SUCCESS: 0, FOUND: 1, USAGE: 2 } as const;
const TSC = join(import.meta.dirname, "../../node_modules/typescript/bin/tsc");

interface FileReport {
  readonly file: string;
  /** The number of possible changes. */
  readonly changes: number;
  readonly tests: readonly string[];
  /** Tests that fail without a change, so that their failure shows nothing. */
  leftOut: readonly string[];
  killed: number;
  notCompiled: number;
  /** Drawn, but not tried within the time. */
  notTried: number;
  readonly survivors: Omit<Tested, "fate">[];
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options === "help") {
      process.stdout.write(HELP);
      return EXIT.SUCCESS;
    }
    return await mutate(options, process.cwd());
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`Cannot mutate: ${error.message}\n\n${HELP}`);
    return EXIT.USAGE;
  }
}

async function mutate(options: Options, tree: string): Promise<number> {
  const stop = new AbortController();
  const over = () => stop.abort();
  const timer = setTimeout(over, options.totalMs);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, over);
  const copy = new TreeCopy(tree);
  process.once("exit", () => copy.remove());
  const reports: FileReport[] = [];
  try {
    const missing = [...options.files, ...options.also].find((file) => !copy.has(file));
    if (missing !== undefined) throw new UsageError(`there is no file "${missing}" in this folder`);
    const laboratory = new Laboratory(copy, TSC, options.limitMs, stop.signal);
    for (const file of options.files) {
      if (stop.signal.aborted) break;
      reports.push(await mutateFile(file, options, copy, laboratory, stop.signal));
    }
  } finally {
    clearTimeout(timer);
    copy.remove();
  }
  const left = options.files.length - reports.length;
  if (left > 0) console.error(`${left} files not looked at: the time was over`);
  if (options.json) process.stdout.write(`${JSON.stringify({ files: reports }, undefined, 2)}\n`);
  else console.log(summary(reports));
  return reports.every(isCovered) ? EXIT.SUCCESS : EXIT.FOUND;
}

async function mutateFile(
  file: string,
  { count, seed, kinds, depth, also, json }: Options,
  copy: TreeCopy,
  laboratory: Laboratory,
  signal: AbortSignal,
): Promise<FileReport> {
  const tell = json ? console.error : console.log;
  const changes = changesOf(copy, file).filter(({ kind }) => kinds.length === 0 || kinds.includes(kind));
  const drawn = draw(changes, count, seed);
  const tests = [...new Set([...nearestTests(copy.root, file, depth), ...also])];
  tell(`${file}: ${drawn.length} of ${changes.length} changes, ${tests.length} test files`);
  const report: FileReport = {
    file,
    changes: changes.length,
    tests,
    leftOut: [],
    killed: 0,
    notCompiled: 0,
    notTried: 0,
    survivors: [],
  };
  for (const change of drawn) {
    const tested = signal.aborted ? undefined : await laboratory.try(file, change, tests);
    if (tested === undefined) report.notTried += 1;
    else if (tested.fate === "killed") report.killed += 1;
    else if (tested.fate === "not compiled") report.notCompiled += 1;
    else {
      const { fate: _, ...survivor } = tested;
      report.survivors.push(survivor);
      tell(`  ${nameOf(survivor)}`);
    }
  }
  report.leftOut = laboratory.failing(tests);
  for (const test of report.leftOut) tell(`  left out, because it fails with nothing changed: ${test}`);
  tell(`  ${countsOf(report)}`);
  return report;
}

function isCovered(report: FileReport): boolean {
  return hasTests(report) && report.survivors.length === 0;
}

function hasTests({ tests, leftOut }: FileReport): boolean {
  return tests.length > leftOut.length;
}

function nameOf({ file, line, kind, was, is }: Omit<Tested, "fate">): string {
  return `${file}:${line} ${kind}: ${JSON.stringify(was)} → ${JSON.stringify(is)}`;
}

function countsOf(report: FileReport): string {
  const { killed, survivors, notCompiled, notTried } = report;
  const none = !hasTests(report) ? "no test can be run for it; " : "";
  const left = notTried === 0 ? "" : `, ${notTried} not tried: the time was over`;
  return `${none}killed ${killed}, survived ${survivors.length}, not compiled ${notCompiled}${left}`;
}

function summary(reports: readonly FileReport[]): string {
  const killed = reports.reduce((sum, report) => sum + report.killed, 0);
  const survived = reports.reduce((sum, { survivors }) => sum + survivors.length, 0);
  const tried = killed + survived;
  const share = tried === 0 ? "" : ` (${((100 * killed) / tried).toFixed(1)} %)`;
  return `${reports.length} files: killed ${killed} of ${tried}${share}`;
}
