/**
 * An interceptor is code that runs around each RPC: the audit log, the metrics and the log are interceptors. It gets the call and `next`,
 * and returns the reply that is sent to the caller. An interceptor that throws fails the RPC.
 */
import { type KleidiError, toKleidiError } from "../error.ts";

/** An RPC as it arrived. */
export interface RpcContext {
  readonly rpc: "Status" | "Encrypt" | "Decrypt";
  /** The uid in the request; cut to 64 characters, anything but printable ASCII replaced. Empty if there is none. */
  readonly uid: string;
  /** The key_id in the request of a Decrypt, unchecked. */
  readonly keyId?: string | undefined;
  /** Size of the request message. */
  readonly requestBytes: number;
  /** By performance.now(). */
  readonly startedAt: number;
  /** The time for its work, in milliseconds. The caller waits a little longer. */
  readonly timeMs: number;
}

export type RpcReply = RpcSuccess | RpcFailure;

export interface RpcSuccess {
  /** The reply message in protobuf. */
  readonly message: Buffer;
  readonly keyId: string;
  /** Milliseconds from the start of the RPC until this reply was made. The time that its audit record takes is not included. */
  readonly ms: number;
  readonly failure?: undefined;
}

export interface RpcFailure {
  /** Sent as a gRPC status. */
  readonly failure: KleidiError;
  /** The key_id in the request. */
  readonly keyId?: string | undefined;
  /** Milliseconds from the start of the RPC until it failed. */
  readonly ms: number;
  readonly message?: undefined;
}

/** @param next runs the rest of the chain and the RPC itself; never rejects */
export type Interceptor = (call: RpcContext, next: () => Promise<RpcReply>) => Promise<RpcReply>;

/**
 * Joins interceptors into one.
 * @param interceptors the first one is the outermost: it sees the reply last
 * @returns an interceptor that never rejects; an error of an interceptor is the reply that the outer ones see
 * @example chain([logRpc, countRpc, auditRpc])(call, encrypt)
 */
export function chain(interceptors: readonly Interceptor[]): Interceptor {
  return (call, work) => {
    const run = interceptors.reduceRight<() => Promise<RpcReply>>(
      (next, interceptor) => () => settle(call, () => interceptor(call, next)),
      () => settle(call, work),
    );
    return run();
  };
}

/** An interceptor that sees each reply and does not change it. */
export function observeReplies(observe: (call: RpcContext, reply: RpcReply) => void): Interceptor {
  return async (call, next) => {
    const reply = await next();
    observe(call, reply);
    return reply;
  };
}

async function settle(call: RpcContext, work: () => Promise<RpcReply>): Promise<RpcReply> {
  try {
    return await work();
  } catch (error) {
    const failure = toKleidiError(error, call.rpc);
    return { failure, keyId: call.keyId, ms: performance.now() - call.startedAt };
  }
}
