/** kleidi serve: binds the socket, starts the providers, probes the keys, and serves until SIGTERM or SIGINT. */
import { AsyncLocalStorage } from "node:async_hooks";
import { flushCompileCache } from "node:module";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { toKleidiError } from "../error.ts";
import { KmsServer } from "../grpc/server.ts";
import { Prober } from "../kms/prober.ts";
import { KmsService } from "../kms/service.ts";
import { openAdmin, unready } from "../runtime/admin.ts";
import { assemble, logKeyChange } from "../runtime/assemble.ts";
import type { AuditTrail, StartInfo } from "../runtime/audit-trail.ts";
import { descriptorFindings } from "../runtime/descriptors.ts";
import type { Kept } from "../runtime/keep-open.ts";
import { LimitsLog } from "../runtime/limits-log.ts";
import { RpcLog } from "../runtime/rpc-log.ts";
import { wallOf } from "../runtime/wall.ts";
import { startWatch, type Watched } from "../runtime/watch.ts";
import { createLog, failureFields, keyIdHash, type Logger } from "../telemetry/log.ts";
import { EXIT } from "./output.ts";

// Calls in flight end by themselves within 2.4 s.
const GRACE_MS = 4_000;

export async function serveCommand(configPath: string, version: string): Promise<number> {
  const config = loadConfig(configPath);
  const log = createLog(config.log);
  for (const { detail, hint } of descriptorFindings(config)) log.warn({ hint }, detail);
  const stopped = untilStopped();
  const wall = await wallOf(config).catch((error) => told(log, error));
  log.info({ wall: wall.name }, `the wall around providers' processes is ${wall.detail}`);
  let audit: AuditTrail | undefined;
  // From here on, and to the end: nobody who rotates the log ends the host.
  process.on("SIGUSR2", () => audit?.rotate());
  audit = await openAudit(config, { version, wall: wall.name }, log).catch((error) => told(log, error));
  const watched: Watched = {
    wall: wall.name,
    host: () => host,
    unready: () => unready(service, audit),
    audit: audit && (() => audit.sample()),
    socket: () => server.sample(),
  };
  const watch = config.admin && (await startWatch(config, version, watched));
  const assembly = { wall, ...watch?.assembly, ...(audit && { audit }) };
  const limits = new LimitsLog(log, watch?.metrics);
  const rpcLog = new RpcLog(log);
  const failed = async (error: unknown) => {
    await audit?.close("it could not be started");
    return told(log, error);
  };
  const host = await assemble(config, log, assembly).catch(failed);
  audit?.knows(host.keyset);
  const logChange = logKeyChange(log, keyIdHash);
  const prober = new Prober(host.keyset, {
    ...config.status,
    onChange(change) {
      logChange(change);
      watch?.onChange(change);
    },
    onProbe: (key, result) => watch?.onProbe(key, result),
    // Taken here, where there is no RPC.
    outside: AsyncLocalStorage.snapshot(),
  });
  // Bound before the providers are up: the API server is told "not ready yet" instead of finding nobody.
  const service = new KmsService(host.keyset, prober);
  const server = new KmsServer({
    service,
    // The audit log is the innermost: the others see what is sent.
    interceptors: [rpcLog, watch, audit].flatMap((each) => each?.intercept ?? []),
    onClosed: (reason, connections, why) => limits.kms(reason, connections, why),
  });
  await server.listen(config.listen).catch(failed);
  let admin: Kept | undefined;
  let why = "it was asked to stop";
  try {
    if (config.admin && watch) admin = await openAdmin(config.admin, { config, host, watch, log, limits });
    // Loading and first probes may take seconds; whoever asks for the end does not wait for them.
    const early = await Promise.race([stopped, host.start().then(() => prober.start())]);
    if (early !== undefined) {
      log.info({ signal: early }, "stopping before every provider was started");
      return EXIT.SUCCESS;
    }
    log.info({ socket: config.listen.socket, keys: config.keys.length }, "serving");
    // The parsed sources are kept for the next start.
    flushCompileCache();
    const signal = await stopped;
    log.info({ signal }, "stopping: calls in flight are finished");
    return EXIT.SUCCESS;
  } catch (error) {
    why = "it could not be started";
    return told(log, error);
  } finally {
    prober.stop();
    await server.stop(GRACE_MS);
    admin?.close();
    await host.stop();
    await audit?.close(why);
    const lost = audit?.sample().lagLines ?? 0;
    if (lost > 0) log.error({ lines: lost }, "the last records of the audit log could not be written");
    log.info("stopped");
  }
}

/** Undefined where none is configured. @throws KleidiError audit-invalid, audit-failed */
async function openAudit(config: Config, about: StartInfo, log: Logger): Promise<AuditTrail | undefined> {
  if (config.audit === undefined) return undefined;
  const { AuditTrail } = await import("../runtime/audit-trail.ts");
  return await AuditTrail.open(config, config.audit, about, log);
}

function told(log: Logger, error: unknown): never {
  const failure = toKleidiError(error, "serve");
  log.fatal(failureFields(failure), failure.message);
  throw failure;
}

function untilStopped(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
      process.once(signal, () => resolve(signal));
  });
}
