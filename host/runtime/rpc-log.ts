/**
 * The log's line of an RPC. A caller can have RPCs fail as often as it likes: each kind of failure is told at once, then not before a
 * minute is over, with how often it happened since. The audit log and the metrics have every one, and so does the log at debug.
 */
import type { RpcOutcome } from "../grpc/server.ts";
import { failureFields, keyIdHash, type Logger } from "../telemetry/log.ts";
import { LogThrottle } from "../telemetry/log-throttle.ts";

export class RpcLog {
  readonly #log: Logger;
  readonly #throttle: LogThrottle;

  constructor(log: Logger, throttle = new LogThrottle()) {
    this.#log = log;
    this.#throttle = throttle;
  }

  ended({ rpc, uid, keyId, ms, failure }: RpcOutcome): void {
    const fields = { rpc, uid, ms: Math.round(ms * 1000) / 1000 };
    if (failure === undefined) {
      if (this.#log.isLevelEnabled("debug"))
        this.#log.debug(
          { ...fields, key_id_sha256: keyId === undefined ? undefined : keyIdHash(keyId) },
          "done",
        );
      return;
    }
    // Not its sentence: a caller chooses parts of it, and each would be another kind.
    const count = this.#throttle.count(`${rpc} ${failure.code}`);
    if (count !== undefined) this.#log.warn({ ...fields, count, ...failureFields(failure) }, failure.message);
    else if (this.#log.isLevelEnabled("debug"))
      this.#log.debug({ ...fields, ...failureFields(failure) }, failure.message);
  }
}
