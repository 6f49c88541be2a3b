/**
 * A host: all its parts, from the wall to the admin listener. They are constructed in the order in which data flows between them, and each
 * gets what it needs when it is constructed.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Config } from "../config/config.ts";
import { KmsServer } from "../grpc/server.ts";
import type { Keyset } from "../kms/keyset.ts";
import { Prober } from "../kms/prober.ts";
import { KmsService } from "../kms/service.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import type { Logger } from "../telemetry/log.ts";
import { AdminListener } from "./admin.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { EventLog } from "./event-log.ts";
import type { HostIdentity } from "./host-identity.ts";
import { LimitsLog } from "./limits-log.ts";
import { combineObservers, type HostObserver, socketEvents } from "./observer.ts";
import { keysetOf, Providers } from "./providers.ts";
import { RpcLog } from "./rpc-log.ts";
import { Telemetry } from "./telemetry.ts";
import { wallOf } from "./wall.ts";

/** RPCs in flight end within 2.4 s. */
const GRACE_MS = 4_000;

interface Parts {
  readonly config: Config;
  readonly log: Logger;
  readonly audit: AuditTrail | undefined;
  readonly providers: Providers;
  readonly prober: Prober;
  readonly server: KmsServer;
  readonly admin: AdminListener | undefined;
}

export class Host {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Constructs a host. Its wall is tried, its audit log open, its modules admitted and its capabilities open; no provider runs, and nothing
   * listens.
   * @param version of kleidi
   * @throws KleidiError wall-missing, audit-invalid, audit-failed, and those of Providers.open; the audit log has the reason
   * @example
   * const host = await Host.open(config, createLog(config.log), "1.0.0");
   * await host.serve();
   * await host.start();
   * await host.close("it was asked to stop");
   */
  static async open(config: Config, log: Logger, version: string): Promise<Host> {
    const wall = await wallOf(config);
    log.info({ wall: wall.name }, `the wall around providers' processes is ${wall.detail}`);
    const identity = { version, wall: wall.name };
    const audit = await openAudit(config, identity, log);
    try {
      return new Host(await construct(config, log, { wall, identity, audit }));
    } catch (error) {
      await audit?.close("it could not be started");
      throw error;
    }
  }

  /**
   * Binds the socket and the admin address. To be called before `start`: an API server that calls early gets "not ready yet" and not a
   * missing socket.
   * @throws KleidiError socket-refused
   */
  async serve(): Promise<void> {
    const { config, server, admin } = this.#parts;
    await server.listen(config.listen);
    await admin?.listen();
  }

  /**
   * Starts the providers and probes every key once; the probes continue in the background.
   * @throws KleidiError of the first provider, if none can be started
   */
  async start(): Promise<void> {
    await this.#parts.providers.start();
    await this.#parts.prober.start();
  }

  /** Starts a new file of the audit log, if there is an audit log. */
  rotateAuditLog(): void {
    this.#parts.audit?.rotate();
  }

  /**
   * Finishes RPCs in flight and closes everything, whether or not `serve` and `start` were called or have finished.
   * @param reason for the audit log, at most 64 characters
   */
  async close(reason: string): Promise<void> {
    const { log, audit, providers, prober, server, admin } = this.#parts;
    prober.stop();
    await server.stop(GRACE_MS);
    admin?.close();
    await providers.close();
    await audit?.close(reason);
    const lines = audit?.sample().lagLines ?? 0;
    if (lines > 0) log.error({ lines }, "the last records of the audit log could not be written");
    log.info("stopped");
  }
}

interface Opened {
  readonly wall: Wall;
  readonly identity: HostIdentity;
  readonly audit: AuditTrail | undefined;
}

async function construct(config: Config, log: Logger, { wall, identity, audit }: Opened): Promise<Parts> {
  const telemetry = config.admin && (await Telemetry.open(config, identity));
  // The audit log comes first: an action that it cannot record is not performed.
  const observers = [audit, telemetry, new EventLog(log), new LimitsLog(log)];
  const observer = combineObservers(observers.filter((each) => each !== undefined));
  const measured = telemetry && { measure: telemetry.measure.bind(telemetry) };
  const providers = await Providers.open(config, log, { wall, observer, ...measured });
  const keyset = keysetOf(config, providers);
  const prober = proberOf(config, keyset, observer);
  const service = new KmsService(keyset, prober);
  // The audit log is the innermost: the others see the reply that is sent.
  const interceptors = [new RpcLog(log).intercept, telemetry?.intercept, audit?.interceptor(keyset)];
  const server = new KmsServer({
    service,
    interceptors: interceptors.filter((each) => each !== undefined),
    onClosed: (reason, connections, detail) =>
      observer.connectionClosed({ listener: "kms", reason, connections, detail }),
    socketEvents: socketEvents("kms", observer),
    socketCheckMs: config.status.intervalMs,
  });
  const { admin } = config;
  const parts = { config, log, audit, providers, prober, server };
  if (admin === undefined || telemetry === undefined) return { ...parts, admin: undefined };
  const { recorder, metrics } = telemetry;
  const view = { identity, config, providers, keyset, service, server, audit, recorder };
  return { ...parts, admin: new AdminListener({ ...config, admin }, view, metrics, observer) };
}

function proberOf({ status }: Config, keyset: Keyset, observer: HostObserver): Prober {
  return new Prober(keyset, {
    ...status,
    onChange: (change) => observer.keyChanged(change),
    onProbe: (key, result) => observer.keyProbed(key, result),
    // The async context of here, which belongs to no RPC.
    outside: AsyncLocalStorage.snapshot(),
  });
}

/**
 * @returns undefined if the configuration has no audit log
 * @throws KleidiError audit-invalid, audit-failed
 */
async function openAudit(
  config: Config,
  identity: HostIdentity,
  log: Logger,
): Promise<AuditTrail | undefined> {
  if (config.audit === undefined) return undefined;
  // Loaded only if it is used.
  const { AuditTrail } = await import("./audit-trail.ts");
  return await AuditTrail.open(config, config.audit, identity, log);
}
