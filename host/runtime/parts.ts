/** The parts of a host, constructed in the order in which data flows between them. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Config } from "../config/config.ts";
import { KmsServer } from "../grpc/server.ts";
import type { Keyset } from "../kms/keyset.ts";
import { Prober } from "../kms/prober.ts";
import { KmsService } from "../kms/service.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AdminListener } from "./admin.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { EventLog } from "./event-log.ts";
import { GuestLog } from "./guest-log.ts";
import type { HostIdentity } from "./host-identity.ts";
import { LimitsLog } from "./limits-log.ts";
import { combineObservers, type HostObserver, socketEvents } from "./observer.ts";
import { keysetOf, Providers } from "./providers.ts";
import { RpcLog } from "./rpc-log.ts";

export interface Parts {
  readonly config: Config;
  readonly log: Logger;
  readonly audit: AuditTrail | undefined;
  readonly providers: Providers;
  readonly prober: Prober;
  readonly server: KmsServer;
  readonly admin: AdminListener | undefined;
}

/** The parts that exist before the others. */
export interface Opened {
  readonly wall: Wall;
  readonly identity: HostIdentity;
  readonly audit: AuditTrail | undefined;
}

/**
 * Admits the modules and opens the capabilities.
 * @throws KleidiError of Providers.open
 */
export async function construct(
  config: Config,
  log: Logger,
  { wall, identity, audit }: Opened,
): Promise<Parts> {
  const watched = config.admin && (await loadAdmin(config, identity));
  const telemetry = watched?.telemetry;
  // The audit log comes first: an action that it cannot record is not performed.
  const observers = [audit, telemetry, new EventLog(log), new GuestLog(log), new LimitsLog(log)];
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
    guardEvents: {
      onClosed: (reason, connections, detail) =>
        observer.connectionClosed({ listener: "kms", reason, connections, detail }),
      onUnseenRequest: () => observer.requestUnseen(),
    },
    socketEvents: socketEvents("kms", observer),
    socketCheckMs: config.status.intervalMs,
  });
  const parts = { config, log, audit, providers, prober, server };
  const { admin } = config;
  if (admin === undefined || watched === undefined) return { ...parts, admin: undefined };
  const { AdminListener } = watched;
  const { recorder, metrics } = watched.telemetry;
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

/** Only for a host with an admin listener: loading Node's HTTP server takes 30 ms. Before anything is open, so that a failure leaves nothing. */
async function loadAdmin(config: Config, identity: HostIdentity) {
  const [{ Telemetry }, { AdminListener }] = await Promise.all([
    import("./telemetry.ts"),
    import("./admin.ts"),
  ]);
  return { AdminListener, telemetry: await Telemetry.open(config, identity) };
}
