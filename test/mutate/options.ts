/** The command line of npm run mutate. */
import { parseArgs } from "node:util";
import { UsageError } from "../../host/cli/usage-error.ts";

export const HELP = `Usage: npm run mutate -- FILE... [options]

Finds gaps in the tests of a file: makes one small change to it at a time, in a temporary copy of this tree, and runs the nearest
tests. A change that no test notices survives; it is a missing test, or it means the same as the original.

  --count N         changes of each file (default 12, at most 1000), selected by the seed
  --seed S          an integer (default 1)
  --kind TEXT       only changes of this kind, as a survivor's line names it; can be repeated
  --limit SECONDS   of tests for each change (default 12, at most 600)
  --minutes N       of the complete run (default 30, at most 600); changes that were not tried are reported
  --depth D         how many imports a test may be away from the file (default 2, at most 8)
  --also TEST       a test file that is run too, after the others; can be repeated
  --json            one JSON document on stdout, and progress on stderr
  --help            this page

The nearest tests are run first: those with the file's own name, those of its folder that reach it, then others over more imports,
as long as they fit into the limit.

Examples:
  npm run mutate -- host/kms/seal.ts
  npm run mutate -- host/capabilities/gate.ts host/capabilities/policy.ts --count 40 --seed 7
  npm run mutate -- host/grpc/server.ts --kind number --kind operator --also test/bad-input/rpc.test.ts
  npm run mutate -- host/audit/*.ts --minutes 60 --json > survivors.json

Exit codes: 0 success, 1 survivors found or a file that no test can be run for, 2 usage error.
`;

export interface Options {
  readonly files: readonly string[];
  readonly count: number;
  readonly seed: number;
  readonly kinds: readonly string[];
  readonly limitMs: number;
  readonly totalMs: number;
  readonly depth: number;
  readonly also: readonly string[];
  readonly json: boolean;
}

/** @returns "help" where it is requested. @throws UsageError, whose message gives the reason */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values, positionals } = parsed(args);
  if (values.help === true) return "help";
  if (positionals.length === 0) throw new UsageError("no FILE is given");
  const odd = positionals.find((file) => !/\.m?ts$|\.mjs$/.test(file) || file.endsWith(".test.ts"));
  if (odd !== undefined)
    throw new UsageError(`"${odd}" is not a source file: a .ts or .mjs file is expected`);
  return {
    files: positionals,
    count: number("count", values.count ?? "12", 1, 1000, true),
    seed: number("seed", values.seed ?? "1", 0, 2 ** 31 - 1, true),
    kinds: values.kind ?? [],
    limitMs: 1000 * number("limit", values.limit ?? "12", 1, 600),
    totalMs: 60_000 * number("minutes", values.minutes ?? "30", 0.01, 600),
    depth: number("depth", values.depth ?? "2", 0, 8, true),
    also: values.also ?? [],
    json: values.json ?? false,
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const texts = { type: "string", multiple: true } as const;
  const yes = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        count: text,
        seed: text,
        kind: texts,
        limit: text,
        minutes: text,
        depth: text,
        also: texts,
        json: yes,
        help: yes,
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function number(name: string, value: string, least: number, most: number, integer = false): number {
  const parsed = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (parsed >= least && parsed <= most && (!integer || Number.isInteger(parsed))) return parsed;
  const what = integer ? "an integer" : "a number";
  throw new UsageError(`--${name} is "${value}", ${what} from ${least} to ${most} is expected`);
}
