/** kleidi provider test: runs the conformance kit on a module. */
import { loadConfig } from "../config/load.ts";
import type { Level, Result } from "../conformance/check.ts";
import { FixtureError } from "../conformance/fixture.ts";
import { OFFLINE, testModule } from "../conformance/kit.ts";
import { testLive } from "../conformance/live.ts";
import { type ConformanceReport, reportOf } from "../conformance/report.ts";
import { tapOf } from "../conformance/tap.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { escapeForTerminal, stringifyAscii } from "../lib/text.ts";
import { replaceFile } from "../lib/write-files.ts";
import { fixtureOf } from "./fixture-file.ts";
import { readModuleFile } from "./module-file.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface ProviderTestOptions {
  readonly fixture?: string;
  readonly config?: string;
  readonly level: readonly string[];
  readonly report?: string;
  readonly bail: boolean;
  readonly rotate?: string;
  readonly stop?: string;
  readonly start?: string;
  readonly json: boolean;
}

/**
 * @param version of this program
 * @throws UsageError for a module that cannot be read, a fixture with faults, a level that cannot be run; KleidiError
 */
export async function providerTestCommand(
  path: string,
  options: ProviderTestOptions,
  version: string,
): Promise<number> {
  const levels = levelsOf(options);
  assertLive(options);
  const file = readModuleFile(path);
  const kms = options.config === undefined ? fixtureOf(file, options.fixture) : loadConfig(options.config);
  const results: Result[] = [];
  const say = options.json ? () => {} : print;
  say("TAP version 14");
  say(`# kleidi ${version}, ${escapeForTerminal(path)}, sha256 ${file.sha256}`);
  const onResult = (result: Result) => {
    results.push(result);
    say(tapOf(result, results.length));
  };
  try {
    const given = { levels, bail: options.bail, onResult };
    if ("fixture" in kms) await testModule({ bytes: file.bytes, fixture: kms, ...given });
    else await testLive({ file, config: kms, commands: options, ...given });
  } catch (error) {
    const [reason = ""] = String((error as Error).message).split("\n");
    say(`Bail out! ${escapeForTerminal(reason)}`);
    throw error instanceof FixtureError ? new UsageError(error.message, { cause: error }) : error;
  }
  const live = options.config !== undefined;
  const report = reportOf({ version, ...file, levels, live, results });
  say(
    `1..${results.length}\n# pass ${report.pass}, fail ${report.fail}, warn ${report.warn}, skip ${report.skip}`,
  );
  if (options.json) print(stringifyAscii(report));
  if (options.report !== undefined) writeReport(options.report, report);
  return report.ok ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

/** The commands change a real KMS. */
function assertLive(options: ProviderTestOptions): void {
  const { config, stop, start } = options;
  const given = (["rotate", "stop", "start"] as const).find((name) => options[name] !== undefined);
  if (given !== undefined && config === undefined)
    throw new UsageError(`Cannot use --${given} without --config`);
  if ((stop === undefined) !== (start === undefined))
    throw new UsageError("Cannot use --stop and --start apart: give both");
}

function levelsOf({ level, config }: ProviderTestOptions): Level[] {
  const possible: readonly Level[] = config === undefined ? OFFLINE : [...OFFLINE, 4];
  if (level.length === 0) return [...possible];
  return level.map((text) => {
    const found = possible.find((each) => String(each) === text);
    if (found !== undefined) return found;
    const remedy =
      text === "4" ? "level 4 needs a real KMS: give --config" : `levels are ${possible.join(", ")}`;
    throw new UsageError(`Cannot run level ${escapeForTerminal(text)}: ${remedy}`);
  });
}

function writeReport(path: string, report: ConformanceReport): void {
  try {
    replaceFile(path, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    throw new UsageError(`Cannot write the report ${path}: ${pathErrorText(path, error, "create")}`, {
      cause: error,
    });
  }
}
