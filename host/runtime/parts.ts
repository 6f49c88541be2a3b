/** The parts of a host, constructed in the order in which data flows between them. */
import type { Config } from "../config/config.ts";
import { parseFile } from "../config/load.ts";
import type { Interceptor } from "../grpc/interceptor.ts";
import { KmsServer } from "../grpc/server.ts";
import { IdleMemory } from "../sandbox/idle-memory.mjs";
import type { Wall } from "../sandbox/wall/build.ts";
import type { ActionResult, AdminActions } from "../telemetry/admin-actions.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AdminListener } from "./admin.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { EventLog } from "./event-log.ts";
import { GuestLog } from "./guest-log.ts";
import { holdEvents } from "./hold-events.ts";
import type { HostIdentity } from "./host-identity.ts";
import { collectLastResort } from "./last-resort.ts";
import { LimitsLog } from "./limits-log.ts";
import { combineObservers, type HostObserver, socketEvents } from "./observer.ts";
import { refreshKeys } from "./refresh-keys.ts";
import { Reloader, type ReloaderOptions } from "./reload.ts";
import { reloadHost } from "./reload-host.ts";
import { RpcLog } from "./rpc-log.ts";
import { Serving } from "./serving.ts";
import { ServingSet, type SetParts } from "./serving-set.ts";
import type { Telemetry } from "./telemetry.ts";

export interface Parts {
  readonly config: Config;
  readonly log: Logger;
  readonly audit: AuditTrail | undefined;
  readonly serving: Serving;
  readonly reloader: Reloader;
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
  const observer = combineObservers([telemetry, ...logsOf(log)].filter((each) => each !== undefined));
  const shadow = shadowOf({ wall, log, audit, telemetry, observer });
  const first = shadow(config);
  const serving = new Serving(await ServingSet.open(config, first));
  first.release();
  const reloader = new Reloader({ serving, shadow, read: () => parseFile(config.file) });
  const idleMemory = new IdleMemory(collectLastResort);
  idleMemory.watch();
  // The audit log is the innermost: the others see the reply that is sent.
  const interceptors: readonly (Interceptor | undefined)[] = [
    (_, next) => {
      idleMemory.count();
      return next();
    },
    new RpcLog(log).intercept,
    telemetry?.intercept,
    audit?.interceptor(() => serving.current),
  ];
  const server = new KmsServer({
    service: serving,
    interceptors: interceptors.filter((each) => each !== undefined),
    guardEvents: {
      onClosed: (reason, connections, detail) =>
        observer.connectionClosed({ listener: "kms", reason, connections, detail }),
      onUnseenRequest: () => observer.requestUnseen(),
    },
    socketEvents: socketEvents("kms", observer),
    socketCheckMs: config.status.intervalMs,
    environment: process.env,
  });
  const all = { config, log, audit, serving, reloader, server };
  const { admin } = config;
  if (admin === undefined || watched === undefined) return { ...all, admin: undefined };
  const { AdminListener } = watched;
  const { recorder, metrics } = watched.telemetry;
  const view = { identity, serving, reloader, server, audit, recorder };
  const actions: AdminActions = new Map<string, () => Promise<ActionResult>>([
    ["/refresh", () => refreshKeys(view)],
    ["/reload", () => reloadHost(reloader)],
  ]);
  return { ...all, admin: new AdminListener({ ...config, admin }, view, metrics, observer, actions) };
}

function logsOf(log: Logger) {
  return [new EventLog(log), new GuestLog(log), new LimitsLog(log)];
}

interface Observers extends Pick<SetParts, "wall" | "log"> {
  readonly audit: AuditTrail | undefined;
  readonly telemetry: Telemetry | undefined;
  /** Telemetry and the log. */
  readonly observer: HostObserver;
}

/** @returns the parts of a set: its events are recorded in the audit log at once, and are seen otherwise after `release` */
function shadowOf({ wall, log, audit, telemetry, observer }: Observers): ReloaderOptions["shadow"] {
  const measured = telemetry && { measure: telemetry.measure.bind(telemetry) };
  return (config) => {
    const records = audit?.observer(config);
    const held = holdEvents(observer);
    // The audit log comes first: an action that it cannot record is not performed.
    const all = [records, held.observer].filter((each) => each !== undefined);
    return {
      ...{ wall, log, ...measured },
      observer: combineObservers(all),
      ...(records && { audit: records }),
      release: held.release,
    };
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
