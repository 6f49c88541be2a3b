/** kleidi serve: binds the socket, starts the providers, probes the keys, and serves until SIGTERM or SIGINT. */
import { flushCompileCache } from "node:module";
import type { Decision } from "../broker/gate.ts";
import { loadConfig } from "../config/load.ts";
import { toKleidiError } from "../error.ts";
import { type RpcOutcome, serve } from "../grpc/server.ts";
import { Prober } from "../kms/prober.ts";
import { KmsService } from "../kms/service.ts";
import type { Admin } from "../telemetry/admin.ts";
import { createLog, failureFields, keyIdHash, type Logger } from "../telemetry/log.ts";
import type { Metrics, ProviderSample } from "../telemetry/metrics.ts";
import { countHostCall, openAdmin, samples } from "./admin.ts";
import { assemble, logKeyChange } from "./assemble.ts";
import { EXIT } from "./output.ts";

// Calls in flight end by themselves within 2.4 s.
const GRACE_MS = 4_000;

export async function serveCommand(configPath: string, version: string): Promise<number> {
  const config = loadConfig(configPath);
  const log = createLog(config.log);
  const stopped = untilStopped();
  const metrics = config.admin && (await startMetrics(version, () => samples(host)));
  const onHostCall = ({ call, verdict }: Decision) => {
    if (metrics) countHostCall(metrics, call.provider, call.capability, verdict);
  };
  const host = await assemble(config, log, { onHostCall }).catch((error) => {
    const failure = toKleidiError(error, "serve");
    log.fatal(failureFields(failure), failure.message);
    throw failure;
  });
  const prober = new Prober(host.keyset, {
    ...config.status,
    onChange: logKeyChange(log, keyIdHash),
  });
  // Bound before the providers are up: the API server is told "not ready yet" instead of finding nobody.
  const service = new KmsService(host.keyset, prober);
  const server = await serve({
    listen: config.listen,
    service,
    onRpc(outcome) {
      metrics?.rpc(outcome.rpc, outcome.failure?.code ?? "ok", outcome.ms);
      logRpc(log, outcome);
    },
  });
  let admin: Admin | undefined;
  try {
    if (config.admin && metrics) admin = await openAdmin(config.admin, host, service, metrics);
    // Loading and first probes may take seconds; whoever asks for the end does not wait for them.
    const early = await Promise.race([stopped, host.start().then(() => prober.start())]);
    if (early !== undefined) {
      log.info({ signal: early }, "stopping before every provider was started");
      return EXIT.GOOD;
    }
    log.info({ socket: config.listen.socket, keys: config.keys.length }, "serving");
    // The parsed sources are kept for the next start.
    flushCompileCache();
    const signal = await stopped;
    log.info({ signal }, "stopping: calls in flight are finished");
    return EXIT.GOOD;
  } catch (error) {
    const failure = toKleidiError(error, "serve");
    log.fatal(failureFields(failure), failure.message);
    throw failure;
  } finally {
    prober.stop();
    await server.stop(GRACE_MS);
    await admin?.close();
    await host.stop();
    log.info("stopped");
  }
}

/** Loaded only where it is configured: it is 10 MB of the process. */
async function startMetrics(version: string, providers: () => ProviderSample[]): Promise<Metrics> {
  const { Metrics } = await import("../telemetry/metrics.ts");
  return new Metrics(version, providers);
}

function logRpc(log: Logger, { rpc, uid, keyId, ms, failure }: RpcOutcome): void {
  const fields = { rpc, uid, ms: Math.round(ms * 1000) / 1000 };
  if (failure !== undefined) log.warn({ ...fields, ...failureFields(failure) }, failure.message);
  else if (log.isLevelEnabled("debug")) {
    log.debug({ ...fields, key_id_sha256: keyId === undefined ? undefined : keyIdHash(keyId) }, "done");
  }
}

function untilStopped(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
      process.once(signal, () => resolve(signal));
  });
}
