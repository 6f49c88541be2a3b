/** The admin listener of a host: metrics, health probes, the state report and its page. */
import type { Socket } from "node:net";
import type { AdminConfig, Config } from "../config/config.ts";
import { toKleidiError } from "../error.ts";
import { keepListening } from "../grpc/keep-listening.ts";
import { listen } from "../grpc/listener.ts";
import { type Admin, createAdmin, listenOnAddress } from "../telemetry/admin.ts";
import type { AdminActions } from "../telemetry/admin-actions.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { adminAddress } from "./admin-address.ts";
import { type HostView, metricSamples } from "./host-view.ts";
import { type Closable, keepOpen } from "./keep-open.ts";
import { type HostObserver, socketEvents } from "./observer.ts";
import { notReadyReason } from "./readiness.ts";
import { redundancyRemark, reloadRemark, stateReport } from "./state-report.ts";

interface AdminSettings extends Pick<Config, "status"> {
  readonly admin: AdminConfig;
}

export class AdminListener {
  readonly #socketCheckMs: number;
  readonly #settings: AdminConfig;
  readonly #observer: HostObserver;
  readonly #admin: Admin;
  #listener: Closable | undefined;

  constructor(
    { admin, status }: AdminSettings,
    view: HostView,
    metrics: Metrics,
    observer: HostObserver,
    actions: AdminActions,
  ) {
    this.#settings = admin;
    this.#socketCheckMs = status.intervalMs;
    this.#observer = observer;
    this.#admin = createAdmin({
      metrics: () => metrics.scrape(metricSamples(view)),
      notReadyReason: () => notReadyReason(view.serving.current.service, view.audit, view.server),
      remark: () => remarkOf(view),
      state: () => stateReport(view),
      actions: isOwnersOnly(admin) ? actions : undefined,
      onClosed: (reason) => observer.connectionClosed({ listener: "admin", reason }),
    });
  }

  /**
   * Resolves after the first try to open the address. If another process has the address, the host still serves keys, and tries
   * again: otherwise that process could keep the host from starting.
   */
  async listen(): Promise<void> {
    const settings = this.#settings;
    const accept = (socket: Socket) => this.#admin.accept(socket);
    const open = () =>
      "socket" in settings
        ? keepListening(
            () => listen(settings, accept),
            this.#socketCheckMs,
            socketEvents("admin", this.#observer),
          )
        : listenOnAddress(settings, accept);
    this.#listener = await keepOpen(open, {
      onRefused: (error, nextTryMs) => this.#observer.adminRefused(toKleidiError(error, "admin"), nextTryMs),
      onOpened: (tries) => this.#observer.adminOpened(adminAddress(settings), tries),
    });
  }

  close(): void {
    this.#listener?.close();
    this.#admin.close();
  }
}

/** A socket that others may open too, and an address, are read-only: the right to read metrics does not include the right to change a host. */
function isOwnersOnly(admin: AdminConfig): boolean {
  return "socket" in admin && (admin.mode & 0o077) === 0;
}

/** The sentences beside "ok" of a host that is ready. */
function remarkOf(view: HostView): string | undefined {
  const remarks = [reloadRemark(view), redundancyRemark(view)].filter((each) => each !== undefined);
  return remarks.length === 0 ? undefined : remarks.join("\n");
}
