/**
 * Logs connections that a limit closed, and requests that HTTP/2 reset: each kind at once, and then at most once a minute with the number of
 * them.
 */
import { CLOSE_REASONS, UNSEEN_REMEDY, UNSEEN_REQUEST } from "../grpc/limits.ts";
import { ADMIN_CLOSE_REASONS } from "../telemetry/admin-connections.ts";
import type { Logger } from "../telemetry/log.ts";
import { LogThrottle } from "../telemetry/log-throttle.ts";
import type { ConnectionClosed, HostObserver } from "./observer.ts";

export class LimitsLog implements Partial<HostObserver> {
  readonly #log: Logger;
  readonly #throttle = new LogThrottle();

  constructor(log: Logger) {
    this.#log = log;
  }

  connectionClosed(event: ConnectionClosed): void {
    const { listener, reason } = event;
    const detail = event.listener === "kms" ? event.detail : "";
    const count = this.#throttle.count(`${listener} ${reason} ${detail}`);
    if (count === undefined) return;
    if (event.listener === "admin") {
      const message = `a connection to the admin listener passed a limit: ${ADMIN_CLOSE_REASONS[event.reason]}`;
      this.#log.warn({ listener, reason, count }, message);
      return;
    }
    const { connections } = event;
    const fields = { listener, reason, count, connections, ...(detail === "" ? {} : { why: detail }) };
    this.#log.warn(fields, `a connection to the socket was closed: ${CLOSE_REASONS[event.reason]}`);
  }
  requestUnseen(): void {
    const count = this.#throttle.count("unseen request");
    if (count !== undefined) this.#log.warn({ listener: "kms", count, hint: UNSEEN_REMEDY }, UNSEEN_REQUEST);
  }
}
