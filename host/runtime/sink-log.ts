/** Logs and counts the failures of the audit log's sinks. */
import type { AuditOptions } from "../audit/options.ts";
import type { Logger } from "../telemetry/log.ts";

export class SinkLog implements Pick<AuditOptions, "onSink" | "onFault" | "onAside"> {
  /** Since the start. */
  failures = 0;
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  readonly onSink: NonNullable<AuditOptions["onSink"]> = (sink, failure) => {
    if (failure === undefined) return this.#logger.info({ sink }, "the audit log's sink takes lines again");
    this.failures += 1;
    this.#logger.error({ sink, why: failure.error }, "a sink of the audit log takes no lines");
  };

  readonly onFault: NonNullable<AuditOptions["onFault"]> = (fault) => {
    this.failures += 1;
    const message = "the audit log cannot continue: the host serves nothing until it is restarted";
    this.#logger.error({ why: fault.message }, message);
  };

  readonly onAside: NonNullable<AuditOptions["onAside"]> = (aside) => {
    const message =
      "the audit log is not the one that this host left: it was set aside, and a new chain begins";
    this.#logger.error({ ...aside }, message);
  };

  hang(sinks: readonly string[]): void {
    this.#logger.error({ sinks }, "a sink of the audit log did not end: its last lines may be missing");
  }
}
