/** Runs the controller or the agent until a signal stops it. */
import { flushCompileCache } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { NodeAgent } from "./agent/agent.ts";
import { LeaseHolder } from "./cluster/lease.ts";
import { serveProbes } from "./cluster/probes.ts";
import { Controller } from "./controller/controller.ts";
import { MigrationAccess } from "./migration/access.ts";
import { PassRunner } from "./migration/runner.ts";
import { agentOptions, controllerOptions } from "./options.ts";

const LEASE = "kleidi-operator";
/** Interval of the progress reports of a running pass. */
const PASS_LOOK_MS = 3000;

export type Log = (message: string, fields?: Record<string, unknown>) => void;

/** @returns the exit code */
export async function runAgent(args: readonly string[], signal: AbortSignal, log: Log): Promise<number> {
  const options = agentOptions(args, process.env);
  const agent = new NodeAgent(options);
  let unready: string | undefined = "no report was accepted yet";
  const report = async () => {
    const failed = await agent.report().then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (failed !== unready) log(failed ?? "the report was accepted", { node: options.node });
    unready = failed;
  };
  if (options.once) {
    await report();
    return unready === undefined ? 0 : 1;
  }
  const server = await serveProbes({
    ...options.listen,
    metrics: async () => agentMetrics(options),
    unready: () => unready,
  });
  log("the agent is running", { node: options.node, listen: server.address() });
  // Caches the compiled sources, so that the next start needs no type stripper, which takes 17 MB.
  flushCompileCache();
  await every(options.intervalSeconds * 1000, signal, report);
  server.close();
  return 0;
}

/** @returns the exit code */
export async function runController(args: readonly string[], signal: AbortSignal, log: Log): Promise<number> {
  const options = controllerOptions(args, process.env);
  const { client, namespace, identity, leaseSeconds, retryMs } = options;
  const lease = new LeaseHolder(client, { namespace, identity, name: LEASE, seconds: leaseSeconds });
  const access = new MigrationAccess(client, options);
  const passes = new PassRunner(access.client);
  // Imported by the controller only: the agent does not need the Prometheus client, which takes 10 MB.
  const { controllerMetrics } = await import("./metrics.ts");
  const metrics = controllerMetrics([client, access.client]);
  const controller = new Controller({
    client,
    access,
    passes,
    retryMs,
    identity,
    log,
    onPhase: metrics.phase,
    onSeen: metrics.seen,
  });
  let unready: string | undefined = "the API server has not answered yet";
  const server = await serveProbes({
    ...options.listen,
    metrics: () => metrics.registry.metrics(),
    unready: () => unready,
  });
  log("the controller is running", { identity, listen: server.address() });
  flushCompileCache();

  const tending = every((leaseSeconds * 1000) / 3, signal, async () => {
    unready = await lease.acquireOrRenew().then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (unready !== undefined) log(unready);
    metrics.leader(lease.holds);
    if (!lease.holds) passes.stop();
  });
  const look = async () => {
    if (!lease.holds) return true;
    return await controller.look().catch((error: Error) => {
      log(error.message);
      return true;
    });
  };
  const looking = (async () => {
    while (!signal.aborted) {
      const busy = await look();
      const pause = busy ? options.intervalMs : options.idleMs;
      await Promise.race([
        wait(passes.runs ? Math.min(pause, PASS_LOOK_MS) : pause, signal),
        passes.runs ? passes.ended() : new Promise(() => {}),
      ]);
    }
  })();
  await Promise.all([tending, looking]);
  passes.stop();
  await lease.release().catch((error: Error) => log(error.message));
  server.close();
  return 0;
}

function agentMetrics({ cluster, apiServer }: ReturnType<typeof agentOptions>): string {
  const name = "kleidi_operator_api_requests_total";
  const head = `# HELP ${name} Requests to API servers since the start.\n# TYPE ${name} counter\n`;
  return `${head}${name} ${cluster.requests + apiServer.requests}\n`;
}

async function every(ms: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work();
    await wait(ms, signal);
  }
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
