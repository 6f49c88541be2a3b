/** The parts of a host, constructed in the order in which data flows between them. */
import type { Config } from "../config/config.ts";
import { KmsServer } from "../grpc/server.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AdminListener } from "./admin.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { EventLog } from "./event-log.ts";
import { GuestLog } from "./guest-log.ts";
import type { HostIdentity } from "./host-identity.ts";
import { LimitsLog } from "./limits-log.ts";
import { combineObservers, socketEvents } from "./observer.ts";
import { RpcLog } from "./rpc-log.ts";
import { Serving } from "./serving.ts";
import { ServingSet, type SetParts } from "./serving-set.ts";
import type { Telemetry } from "./telemetry.ts";

export interface Parts {
  readonly config: Config;
  readonly log: Logger;
  readonly audit: AuditTrail | undefined;
  readonly serving: Serving;
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
  const observerOf = observers(log, audit, telemetry);
  const measured = telemetry && { measure: telemetry.measure.bind(telemetry) };
  const parts = { wall, log, ...measured };
  const serving = new Serving(await ServingSet.open(config, { ...parts, ...observerOf(config) }));
  const { observer } = observerOf(config);
  // The audit log is the innermost: the others see the reply that is sent.
  const interceptors = [
    new RpcLog(log).intercept,
    telemetry?.intercept,
    audit?.interceptor(() => serving.current),
  ];
  const server = new KmsServer({
    service: serving,
    interceptors: interceptors.filter((each) => each !== undefined),
    onClosed: (reason, connections, detail) =>
      observer.connectionClosed({ listener: "kms", reason, connections, detail }),
    socketEvents: socketEvents("kms", observer),
    socketCheckMs: config.status.intervalMs,
  });
  const all = { config, log, audit, serving, server };
  const { admin } = config;
  if (admin === undefined || watched === undefined) return { ...all, admin: undefined };
  const { AdminListener } = watched;
  const { recorder, metrics } = watched.telemetry;
  const view = { identity, serving, server, audit, recorder };
  return { ...all, admin: new AdminListener({ ...config, admin }, view, metrics, observer) };
}

/** @returns the observer of a configuration's events */
function observers(log: Logger, audit: AuditTrail | undefined, telemetry: Telemetry | undefined) {
  const logs = [new EventLog(log), new GuestLog(log), new LimitsLog(log)];
  return (config: Config): Pick<SetParts, "observer" | "audit"> => {
    const records = audit?.observer(config);
    // The audit log comes first: an action that it cannot record is not performed.
    const all = [records, telemetry, ...logs].filter((each) => each !== undefined);
    return { observer: combineObservers(all), ...(records && { audit: records }) };
  };
}

/** Only for a host with an admin listener: loading Node's HTTP server takes 30 ms. Before anything is open, so that a failure leaves nothing. */
async function loadAdmin(config: Config, identity: HostIdentity) {
  const [{ Telemetry }, { AdminListener }] = await Promise.all([
    import("./telemetry.ts"),
    import("./admin.ts"),
  ]);
  return { AdminListener, telemetry: await Telemetry.open(config, identity) };
}
