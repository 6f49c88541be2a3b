/** The admin listener of a host: metrics, health probes, the state report and its page. */
import type { Socket } from "node:net";
import type { AdminConfig } from "../config/config.ts";
import { toKleidiError } from "../error.ts";
import { listen } from "../grpc/listener.ts";
import { type Admin, createAdmin, listenOnAddress } from "../telemetry/admin.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { adminAddress } from "./admin-address.ts";
import { type HostView, metricSamples } from "./host-view.ts";
import { type Closable, keepOpen } from "./keep-open.ts";
import type { HostObserver } from "./observer.ts";
import { notReadyReason } from "./readiness.ts";
import { stateReport } from "./state-report.ts";

export class AdminListener {
  readonly #settings: AdminConfig;
  readonly #observer: HostObserver;
  readonly #admin: Admin;
  #listener: Closable | undefined;

  constructor(settings: AdminConfig, view: HostView, metrics: Metrics, observer: HostObserver) {
    this.#settings = settings;
    this.#observer = observer;
    this.#admin = createAdmin({
      metrics: () => metrics.scrape(metricSamples(view)),
      notReadyReason: () => notReadyReason(view.service, view.audit),
      state: () => stateReport(view),
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
    const open = () => ("socket" in settings ? listen(settings, accept) : listenOnAddress(settings, accept));
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
