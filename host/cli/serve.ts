/** kleidi serve: binds the socket, starts the providers, probes the keys, and serves until SIGTERM or SIGINT. SIGHUP reloads. */
import { flushCompileCache } from "node:module";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { toKleidiError } from "../error.ts";
import { linkToHolder } from "../grpc/holder-link.ts";
import { descriptorFindings } from "../runtime/descriptors.ts";
import { Host } from "../runtime/host.ts";
import { createLog, failureFields, type Logger } from "../telemetry/log.ts";
import { EXIT, pathFailure } from "./output.ts";

/**
 * @param version of kleidi
 * @returns the exit code, when the host has stopped
 * @throws KleidiError the host cannot be started; the log has it
 */
export async function serveCommand(configPath: string, version: string): Promise<number> {
  const config = loadConfig(configPath);
  const log = createLog(config.log);
  for (const { detail, hint } of descriptorFindings(config)) log.warn({ hint }, detail);
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop(signal));
  const holder = linkToHolder(process.env, () => stop("the end of kleidi hold"));
  // Without a listener, these signals end the process: they may come before the host is open.
  for (const signal of ["SIGUSR2", "SIGHUP"] as const) process.on(signal, () => {});
  let host: Host;
  try {
    host = await Host.open(config, log, version);
  } catch (error) {
    return logFatal(config, log, error);
  }
  process.on("SIGUSR2", () => host.rotateAuditLog());
  process.on("SIGHUP", () => void host.reload());
  let reason = "it was asked to stop";
  try {
    await host.serve();
    holder?.tellServing();
    // Loading and first probes may take seconds; a signal ends the host before they are done.
    const early = await Promise.race([stopped, host.start()]);
    if (early !== undefined) {
      log.info({ signal: early }, "stopping before every provider was started");
      return EXIT.SUCCESS;
    }
    log.info({ socket: config.listen.socket, keys: config.keys.length }, "serving");
    // Keeps the parsed sources for the next start.
    flushCompileCache();
    const signal = await stopped;
    log.info({ signal }, "stopping: calls in flight are finished");
    return EXIT.SUCCESS;
  } catch (error) {
    reason = "it could not be started";
    return logFatal(config, log, error);
  } finally {
    await host.close(reason);
  }
}

/** @returns the exit code, if the log is on stderr: the command would print the same failure there again. @throws KleidiError otherwise */
function logFatal({ log: { file } }: Config, log: Logger, error: unknown): number {
  const failure = toKleidiError(pathFailure(error), "serve");
  log.fatal(failureFields(failure), failure.message);
  if (file === undefined) return EXIT.PROBLEMS;
  throw failure;
}
