/**
 * Logs RPCs. A caller can make RPCs fail as often as it likes, so each kind of failure is logged at once and then at most once a minute,
 * with the number of times that it happened since. The audit log and the metrics have every RPC, and so has the log at level debug.
 */
import { observeReplies, type RpcContext, type RpcReply } from "../grpc/interceptor.ts";
import { failureFields, keyIdHash, type Logger } from "../telemetry/log.ts";
import { LogThrottle } from "../telemetry/log-throttle.ts";

export class RpcLog {
  readonly #log: Logger;
  readonly #throttle: LogThrottle;

  constructor(log: Logger, throttle = new LogThrottle()) {
    this.#log = log;
    this.#throttle = throttle;
  }

  readonly intercept = observeReplies((call, reply) => this.#rpc({ ...call, ...reply }));

  #rpc({ rpc, uid, keyId, ms, failure }: RpcContext & RpcReply): void {
    const fields = { rpc: rpc.toLowerCase(), uid, ms: Math.round(ms * 1000) / 1000 };
    if (failure === undefined) {
      if (this.#log.isLevelEnabled("debug"))
        this.#log.debug(
          { ...fields, key_id_sha256: keyId === undefined ? undefined : keyIdHash(keyId) },
          "done",
        );
      return;
    }
    // The message is not a part of the kind: the caller chooses parts of it.
    const count = this.#throttle.count(`${rpc} ${failure.code}`);
    if (count !== undefined) this.#log.warn({ ...fields, count, ...failureFields(failure) }, failure.message);
    else if (this.#log.isLevelEnabled("debug"))
      this.#log.debug({ ...fields, ...failureFields(failure) }, failure.message);
  }
}
