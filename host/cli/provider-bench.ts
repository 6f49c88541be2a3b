/** kleidi provider bench: measures the calls of a module, and of an older build of it. */
import { benchModules, type ModuleFigures, type RpcFigures } from "../conformance/bench.ts";
import { FixtureError } from "../conformance/fixture.ts";
import { NotGood } from "../conformance/not-good.ts";
import { escapeForTerminal, stringifyAscii } from "../lib/text.ts";
import { fixtureOf } from "./fixture-file.ts";
import { readModuleFile } from "./module-file.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface ProviderBenchOptions {
  readonly against?: string;
  readonly fixture?: string;
  readonly calls: number;
  readonly json: boolean;
}

/** @throws UsageError for a file that cannot be used; KleidiError of admission */
export async function providerBenchCommand(
  path: string,
  { against, fixture: given, calls, json }: ProviderBenchOptions,
): Promise<number> {
  const file = readModuleFile(path);
  const files = against === undefined ? [file] : [file, readModuleFile(against)];
  const fixture = fixtureOf(file, given);
  let modules: ModuleFigures[];
  try {
    modules = await benchModules(files, fixture, calls);
  } catch (error) {
    if (error instanceof FixtureError) throw new UsageError(error.message, { cause: error });
    if (error instanceof NotGood) return failed(error.message, json);
    throw error;
  }
  if (json) print(stringifyAscii({ ok: true, calls, modules }));
  else for (const line of textOf(modules, calls)) print(line);
  return EXIT.SUCCESS;
}

/** Figures of a provider that does not work would say nothing. */
function failed(reason: string, json: boolean): number {
  if (json) print(stringifyAscii({ ok: false, message: reason }));
  else process.stderr.write(`${escapeForTerminal(reason)}; find the reason with kleidi provider test\n`);
  return EXIT.PROBLEMS;
}

function textOf(modules: readonly ModuleFigures[], calls: number): string[] {
  const lines = [`${calls} calls of each RPC, one after the other; milliseconds and bytes.`];
  for (const module of modules) lines.push("", ...moduleLines(module));
  const [one, other] = modules;
  if (one !== undefined && other !== undefined) lines.push("", ...ratioLines(one, other));
  return lines;
}

function moduleLines({ path, size, sha256, start, instance, rpcs }: ModuleFigures): string[] {
  return [
    `${escapeForTerminal(path)}  ${size} bytes, sha256 ${sha256}`,
    `started in ${start.toFixed(1)}; an instance is created in ${ms(instance.p50)} (p99 ${ms(instance.p99)})`,
    ...tableOf([HEAD, ...rpcs.map(rowOf)]),
  ];
}

const HEAD = [
  ...["", "wall p50", "p99", "guest p50", "p99", "host p50", "p99", "CPU"],
  ...["host calls", "request", "reply", "memory", "blocks"],
];

function rowOf({ rpc, wall, guest, host, cpu, ...bytes }: RpcFigures): string[] {
  const { hostCalls, requestBytes, replyBytes, memoryBytes, blockBytes } = bytes;
  return [
    rpc,
    ...[wall, guest, host].flatMap(({ p50, p99 }) => [ms(p50), ms(p99)]),
    cpu === undefined ? "-" : ms(cpu),
    ...[hostCalls, requestBytes, replyBytes, memoryBytes, blockBytes].map(String),
  ];
}

/** Below 1: the first module is faster, or smaller. */
function ratioLines(one: ModuleFigures, other: ModuleFigures): string[] {
  const ratio = (a: number, b: number) => (b > 0 ? (a / b).toFixed(2) : "-");
  const rows = one.rpcs.map((figures, index) => {
    const before = other.rpcs[index] ?? figures;
    return [
      figures.rpc,
      ratio(figures.wall.p50, before.wall.p50),
      ratio(figures.wall.p99, before.wall.p99),
      ratio(figures.guest.p50, before.guest.p50),
      ratio(figures.host.p50, before.host.p50),
      ratio(figures.cpu ?? 0, before.cpu ?? 0),
      ratio(figures.memoryBytes, before.memoryBytes),
    ];
  });
  return [
    `The first divided by the second: module ${ratio(one.size, other.size)}, start ${ratio(one.start, other.start)}, instance ${ratio(one.instance.p50, other.instance.p50)}`,
    ...tableOf([["", "wall p50", "p99", "guest p50", "host p50", "CPU", "memory"], ...rows]),
  ];
}

/** The first column to the left, numbers to the right. */
function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  "),
  );
}

function ms(value: number): string {
  return value.toFixed(value < 10 ? 3 : 1);
}
