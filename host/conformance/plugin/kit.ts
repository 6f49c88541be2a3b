/** The conformance kit for a KMS v2 plugin of anybody: all checks over its socket, one after the other. */
import { KmsClient } from "../../grpc/client.ts";
import { verdictOf } from "../verdict.ts";
import { CHANGE_CHECKS } from "./changes.ts";
import type { PluginCheck, PluginResult } from "./check.ts";
import { CONTRACT_CHECKS, GOOD_CALLS } from "./contract.ts";
import { LOAD_CHECKS } from "./load.ts";
import { Plugin } from "./plugin.ts";
import { type SimulationOptions, simulationChecks } from "./simulation.ts";

/** A KMS behind the plugin may be far away. */
const PARALLEL = 8;

export interface PluginKitOptions extends SimulationOptions {
  /** The path of the plugin's socket. */
  readonly socket: string;
  readonly timeoutMs: number;
  /** The most variants of a check that tries many, such as each byte. */
  readonly variants: number;
  /** Receives each result as soon as it is known. */
  readonly onResult: (result: PluginResult) => void;
}

/** Runs the checks; only the first one if the plugin fails it. @throws FixtureError if a command fails */
export async function testPlugin({ socket, timeoutMs, variants, onResult, ...simulation }: PluginKitOptions) {
  const connect = () => new KmsClient(socket);
  const plugin = new Plugin({ timeoutMs, connect, variants, parallel: PARALLEL });
  try {
    for (const check of allChecks(simulation)) {
      const { name, group, clause } = check;
      const result = { name, group, clause, ...(await verdictOf(check, plugin)) };
      onResult(result);
      if (check === GOOD_CALLS && result.result === "fail") return;
    }
  } finally {
    plugin.close();
  }
}

function allChecks(simulation: SimulationOptions): PluginCheck[] {
  return [GOOD_CALLS, ...CONTRACT_CHECKS, ...CHANGE_CHECKS, ...LOAD_CHECKS, ...simulationChecks(simulation)];
}
