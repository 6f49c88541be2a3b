/** What callers of either listener had the host close or leave: each kind of it is counted always, and told once a minute. */
import { CLOSE_REASONS, type CloseReason } from "../grpc/limits.ts";
import { ADMIN_CLOSE_REASONS, type AdminCloseReason } from "../telemetry/admin-connections.ts";
import type { Logger } from "../telemetry/log.ts";
import { LogThrottle } from "../telemetry/log-throttle.ts";
import type { Watch } from "./watch.ts";

export class LimitsLog {
  readonly #log: Logger;
  readonly #metrics: Watch["metrics"] | undefined;
  readonly #throttle = new LogThrottle();

  constructor(log: Logger, metrics: Watch["metrics"] | undefined) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** @param why in the words of Node, where it has any */
  kms(reason: CloseReason, connections: number, why: string): void {
    this.#metrics?.connectionClosed("kms", reason);
    const count = this.#throttle.count(`kms ${reason} ${why}`);
    if (count === undefined) return;
    const fields = { listener: "kms", reason, count, connections, ...(why === "" ? {} : { why }) };
    this.#log.warn(fields, `a connection to the socket was closed: ${CLOSE_REASONS[reason]}`);
  }

  admin(reason: AdminCloseReason): void {
    this.#metrics?.connectionClosed("admin", reason);
    const count = this.#throttle.count(`admin ${reason}`);
    if (count === undefined) return;
    const fields = { listener: "admin", reason, count };
    this.#log.warn(
      fields,
      `a connection to the admin listener passed a limit: ${ADMIN_CLOSE_REASONS[reason]}`,
    );
  }
}
