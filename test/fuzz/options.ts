/** The command line of npm run fuzz. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { UsageError } from "../../host/cli/usage-error.ts";
import { TARGETS } from "./targets.ts";

const NAMES = TARGETS.map(({ name }) => name);

export const HELP = `Usage: npm run fuzz -- [options]

Runs the fuzz targets in turns: first the inputs of test/fuzz/corpus, then new ones, until the time or the number of inputs is reached, or Ctrl-C.

  --minutes N       how long (default 5; fractions are fine)
  --inputs N        stops earlier, after this number of inputs in total
  --target NAME     only this one: ${NAMES.join(", ")}
  --seed S          the seed of the first turn, an integer (default: random)
  --keep            keeps inputs with a new outcome, or that make a property fail, in test/fuzz/corpus; inputs there whose outcome changed
                    are filed under the new one, and those of properties that do not exist are removed
  --path P          with --target and --seed: only this input, as a failure prints it
  --property TEXT   with --path: the property that failed, as a failure prints it
  --help            this page

Examples:
  npm run fuzz
  npm run fuzz -- --minutes 60 --inputs 1000000 --keep
  npm run fuzz -- --target module --seed 7

A property that failed is not run again. Exit codes: 0 success, 1 problems found, 2 usage error.
`;

export interface Options {
  readonly ms: number;
  readonly inputs: number;
  readonly target: string | undefined;
  readonly seed: number;
  readonly keep: boolean;
  readonly path: string | undefined;
  readonly property: string | undefined;
}

/** @returns "help" where it is requested. @throws UsageError, whose message follows "Cannot fuzz: " */
export function parseOptions(args: readonly string[]): Options | "help" {
  const values = parsed(args);
  if (values.help) return "help";
  const { minutes = "5", inputs, target, seed, path, property, keep = false } = values;
  const fault = faultOf({ minutes, inputs, target, seed, path, keep });
  if (fault !== undefined) throw new UsageError(fault);
  return {
    ms: Number(minutes) * 60_000,
    inputs: inputs === undefined ? Number.POSITIVE_INFINITY : Number(inputs),
    target,
    seed: seed === undefined ? randomInt(2 ** 31) : Number(seed),
    keep,
    path,
    property,
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const yes = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: text,
        inputs: text,
        target: text,
        seed: text,
        path: text,
        property: text,
        keep: yes,
        help: yes,
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

interface Raw {
  readonly minutes: string;
  readonly inputs: string | undefined;
  readonly target: string | undefined;
  readonly seed: string | undefined;
  readonly path: string | undefined;
  readonly keep: boolean;
}

function faultOf({ minutes, inputs, target, seed, path, keep }: Raw): string | undefined {
  if (!(Number(minutes) > 0 && Number(minutes) < Number.POSITIVE_INFINITY))
    return `--minutes is "${minutes}", a number over 0 is expected`;
  if (inputs !== undefined && !/^[1-9]\d{0,14}$/.test(inputs))
    return `--inputs is "${inputs}", an integer over 0 is expected`;
  if (target !== undefined && !NAMES.includes(target))
    return `there is no target "${target}"; there are ${NAMES.join(", ")}`;
  if (seed !== undefined && (seed === "" || Number(seed) !== (Number(seed) | 0)))
    return `--seed is "${seed}", an integer of 32 bits is expected`;
  if (path === undefined) return undefined;
  if (!/^\d+(:\d+)*$/.test(path)) return `--path is "${path}", numbers with ":" between them are expected`;
  if (target === undefined || seed === undefined) return "--path requires --target and --seed";
  return keep ? "--keep cannot be used with --path" : undefined;
}
