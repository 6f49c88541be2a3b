/** Starts the benchmark's programs that run in separate processes, and types the callers' reports. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { median, sum } from "./figures.ts";

// The Node options of the command host/kleidi.
const HEAP = ["--max-semi-space-size=4", "--max-old-space-size=128"];

export interface Load {
  calls: number;
  failures: number;
  rps: number;
  p50: number;
  p99: number;
}

export function node(file: string, ...args: string[]): ChildProcess {
  const program = join(import.meta.dirname, "..", "host", "kleidi-node");
  return spawn("sh", [program, ...HEAP, join(import.meta.dirname, file), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

export async function run(socket: string, rpc: string, callers: number, limit: string): Promise<Load> {
  return JSON.parse(await line(node("load.ts", socket, rpc, String(callers), limit)));
}

/** The first line that a process prints. */
export function line(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(text);
    });
    child.once("exit", (code) => reject(new Error(`${child.spawnargs.join(" ")} ended with ${code}`)));
  });
}

export function summary(loads: Load[]): Load {
  const of = (field: keyof Load) => median(loads.map((load) => load[field]));
  return {
    calls: of("calls"),
    failures: sum(loads.map(({ failures }) => failures)),
    rps: of("rps"),
    p50: of("p50"),
    p99: of("p99"),
  };
}
