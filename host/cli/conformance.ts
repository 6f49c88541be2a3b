/** kleidi conformance: runs the conformance kit on a KMS v2 plugin of anybody, over its socket. */
import { FixtureError } from "../conformance/fixture.ts";
import type { PluginResult } from "../conformance/plugin/check.ts";
import { testPlugin } from "../conformance/plugin/kit.ts";
import { tapLine } from "../conformance/tap.ts";
import { connectionError } from "../grpc/client.ts";
import { explainPathError } from "../lib/path-fault.ts";
import { escapeForTerminal, stringifyAscii } from "../lib/text.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface ConformanceOptions {
  readonly timeout: number;
  readonly polls: number;
  readonly poll: number;
  readonly seeds: number;
  readonly variants: number;
  readonly rotate?: string;
  readonly restart?: string;
  readonly json: boolean;
}

/**
 * @param endpoint the path of a socket, or unix://PATH as in an EncryptionConfiguration
 * @param version of this program
 * @throws UsageError, no process listens there, or a command fails
 */
export async function conformanceCommand(
  endpoint: string,
  options: ConformanceOptions,
  version: string,
): Promise<number> {
  const socket = endpoint.replace(/^unix:(\/\/(?=\/))?/, "");
  await assertConnects(socket);
  const results: PluginResult[] = [];
  const say = options.json ? () => {} : print;
  say(`TAP version 14\n# kleidi ${version}, ${escapeForTerminal(socket)}`);
  const onResult = (result: PluginResult) => {
    results.push(result);
    const { name, group, clause, ...verdict } = result;
    say(tapLine(`${group}: ${name}`, verdict, { source: clause }, results.length));
  };
  try {
    const { timeout: timeoutMs, poll: pollMs, ...given } = options;
    await testPlugin({ socket, timeoutMs, pollMs, ...given, onResult });
  } catch (error) {
    say(`Bail out! ${escapeForTerminal(String((error as Error).message).split("\n")[0] ?? "")}`);
    throw error instanceof FixtureError ? new UsageError(error.message, { cause: error }) : error;
  }
  const count = (wanted: PluginResult["result"]) => results.filter(({ result }) => result === wanted).length;
  const [pass, fail, warn, skip] = [count("pass"), count("fail"), count("warn"), count("skip")];
  say(`1..${results.length}\n# pass ${pass}, fail ${fail}, warn ${warn}, skip ${skip}`);
  const ok = fail === 0;
  if (options.json) print(stringifyAscii({ ok, version, socket, pass, fail, warn, skip, results }));
  return ok ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

async function assertConnects(socket: string): Promise<void> {
  const error = await connectionError(socket);
  if (error === undefined) return;
  const isAbsent = error.code === "ECONNREFUSED" || error.code === "ENOENT";
  const { problem = "no process listens there", remedy = "start the plugin, or correct the path" } = isAbsent
    ? {}
    : (explainPathError(socket, error, "write") ?? {});
  throw new UsageError(`Cannot connect to ${socket}: ${problem} (${error.code}); ${remedy}`, {
    cause: error,
  });
}
