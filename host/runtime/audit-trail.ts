/**
 * Writes the audit log of a serving host. Its observers record host calls, credentials and providers; its interceptor records RPCs. The
 * uid of an RPC is in an async context, where the records of its host calls find it; a probe has no uid.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { AuditLog } from "../audit/log.ts";
import type { AuditConfig, Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import type { Interceptor } from "../grpc/interceptor.ts";
import type { Keyset } from "../kms/keyset.ts";
import { within } from "../lib/deadline.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AuditSample } from "../telemetry/metric-samples.ts";
import type { SinkReport } from "../telemetry/report.ts";
import { AuditObserver, tryAppend } from "./audit-observer.ts";
import { endAnyway } from "./end-anyway.ts";
import type { HostIdentity } from "./host-identity.ts";
import { SinkLog } from "./sink-log.ts";

/**
 * The longest time from an RPC to its reply, its record included, as a multiple of the time for its work: 2.8 of the 3 s that the API server
 * waits, where the work takes up to 2.4 s. A record that does not come at once is waited for as long as that helps the caller.
 */
const LATEST = 7 / 6;
/** A caller that hardly waits must not make a disk look slow: its record has this time, in milliseconds. */
const LEAST_MS = 400;
/** The longest time for which a closed log may keep the process alive when a disk hangs. */
const END_MS = 1_000;

export class AuditTrail {
  readonly #log: AuditLog;
  readonly #sinks: SinkLog;
  readonly #uids = new AsyncLocalStorage<string>();

  private constructor(log: AuditLog, sinks: SinkLog) {
    this.#log = log;
    this.#sinks = sinks;
  }

  /**
   * Opens the log and writes its start record.
   * @throws KleidiError audit-invalid, audit-failed
   */
  static async open(
    config: Config,
    settings: AuditConfig,
    { version, wall }: HostIdentity,
    logger: Logger,
  ): Promise<AuditTrail> {
    const sinks = new SinkLog(logger);
    const log = await AuditLog.open(settings, sinks);
    log.append({ kind: "start", version, config: config.sha256, wall, pid: process.pid, ...log.claim });
    await log.settled();
    return new AuditTrail(log, sinks);
  }

  /** @returns an observer for the providers of a configuration */
  observer(config: Pick<Config, "providers">): AuditObserver {
    return new AuditObserver(this.#log, this.#uids, config);
  }

  /**
   * Records each RPC before its reply is sent, and fails an RPC that it cannot record.
   * @param serving the keys that serve at the moment, and the observer of their configuration
   */
  interceptor(serving: () => { readonly keyset: Keyset; readonly audit?: AuditObserver }): Interceptor {
    return (call, next) =>
      this.#uids.run(call.uid, async () => {
        const { keyset, audit } = serving();
        const reply = await next();
        audit?.rpc(call, reply, keyset);
        // Resolves when the records of the RPC's host calls are written, too.
        const latestMs = latestFor(call.timeMs);
        const left = call.startedAt + latestMs - performance.now();
        await within(left, this.#log.settled(), () => tooLate(latestMs));
        return reply;
      });
  }

  /** @throws KleidiError audit-failed: no sink takes lines, so every RPC would fail with this error */
  assertReady(): void {
    this.#log.assertReady();
  }

  sample(): AuditSample {
    const { sinks, lag: lagLines, untrusted } = this.#log;
    const lagBytes = Math.max(0, ...sinks.map(({ waiting }) => waiting));
    return { lagLines, lagBytes, failures: this.#sinks.failures, untrusted };
  }

  /** For the state report. */
  get sinks(): SinkReport[] {
    return this.#log.sinks.map(({ name, failure }) => ({ name, ...(failure && { failure: failure.error }) }));
  }

  rotate(): void {
    this.#log.rotate();
  }

  /**
   * Writes the stop record and closes the log, within 2 s. If a sink hangs, this is logged and the process is killed later.
   * @param reason at most 64 characters
   */
  async close(reason: string): Promise<void> {
    tryAppend(this.#log, { kind: "stop", reason });
    const hanging = await this.#log.close();
    if (hanging.length === 0) return;
    this.#sinks.hang(hanging);
    endAnyway(END_MS);
  }
}

/** @returns the longest time from an RPC to its reply, its record included, for this time for its work; in milliseconds */
export function latestFor(timeMs: number): number {
  return Math.max(LEAST_MS, timeMs * LATEST);
}

/** An RPC that has succeeded must not fail as if its provider were slow, because a disk hangs. */
function tooLate(latestMs: number): KleidiError {
  return new KleidiError(
    "audit-failed/slow",
    `Cannot audit: the record was not written within ${Math.round(latestMs)} ms of the request`,
  );
}
