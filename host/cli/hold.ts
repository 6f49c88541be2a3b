/**
 * kleidi hold: binds the socket as standard input and becomes the holder (host/hold/holder.mjs), which runs `kleidi serve` on it. One
 * process: what binding needed is gone from memory afterwards, and the socket is not.
 */
import { join } from "node:path";
import { loadConfig } from "../config/load.ts";
import { KleidiError } from "../error.ts";
import { bindAsInput } from "../grpc/listener.ts";
import { EXIT } from "./output.ts";

const HOLDER = join(import.meta.dirname, "..", "hold", "holder.mjs");
/** It holds a few objects, and has work for one thread only when the host ends. */
const FLAGS = ["--disable-sigusr1", "--max-old-space-size=16", "--max-semi-space-size=1", "--v8-pool-size=0"];

/**
 * @param main the program that runs the commands, as Node got it
 * @throws KleidiError config-invalid, socket-refused
 */
export async function holdCommand(configPath: string, main: string): Promise<number> {
  // The first process of a container ignores a signal that it does not listen to.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(EXIT.SUCCESS));
  const { listen, file } = loadConfig(configPath);
  await bindAsInput(listen);
  const { execPath, execArgv, env } = process;
  const command = [execPath, ...FLAGS, HOLDER, listen.socket, file, execPath, ...execArgv, main];
  process.execve?.(execPath, command, env);
  throw new KleidiError("host-fault", "Cannot hold the socket: this Node cannot replace a process");
}
