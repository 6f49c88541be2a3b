/** The program kleidi-operator: the controller, and the agent of a node. */

import { UsageError } from "./options.ts";
import { type Log, runAgent, runController } from "./run.ts";

const HELP = `Usage: kleidi-operator controller|agent [options]

  controller   follows rotations of the encryption key, and reports its phase (docs/operator.md)
  agent        reports one control-plane node; writes nothing on it

The options of both are in operator/README.md.

Examples:
  kleidi-operator controller --namespace kleidi-system
  kleidi-operator agent --node cp-1 --admin unix:/run/kleidi/admin.sock
  kleidi-operator agent --node cp-1 --once

Exit codes: 0 success, 1 problems found, 2 usage error
`;

const COMMANDS = { controller: runController, agent: runAgent } as const;
const log: Log = (message, fields = {}) =>
  void process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), service: "kleidi-operator", ...fields, msg: message })}\n`,
  );

async function main([command = "", ...args]: readonly string[]): Promise<number> {
  if (command === "--help" || args.includes("--help")) {
    process.stdout.write(HELP);
    return 0;
  }
  if (command !== "controller" && command !== "agent")
    throw new UsageError(`Cannot run "${command}": expected controller or agent`);
  const abort = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => abort.abort());
  return await COMMANDS[command](args, abort.signal, log);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n${HELP}`);
  process.exitCode = 2;
}
