/** One RPC in the server: the request is read, the interceptors run around the work, and their reply is sent. */
import type { MethodDefinition, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { KleidiError } from "../error.ts";
import { RPC_DEADLINE_MS } from "../kms/limits.ts";
import { within } from "../lib/deadline.ts";
import { replaceNonAscii } from "../lib/text.ts";
import type { InFlight } from "./in-flight.ts";
import type { Interceptor, RpcContext } from "./interceptor.ts";
import type { Unread } from "./methods.ts";

const MAX_UID = 64;
/** What is left for the way back to a caller that waits less than 3 s: a fifth of its time, at most this many milliseconds. */
const WAY_BACK_MS = 500;

export interface UnaryRpc<In, Out> {
  readonly rpc: RpcContext["rpc"];
  readonly method: MethodDefinition<In, Out>;
  /**
   * @param ms the time for it, in milliseconds
   * @returns the reply message and the key_id of the key that was used
   */
  readonly work: (request: In, ms: number) => Promise<readonly [Out, keyId: string]>;
}

/** @returns the handler for grpc-js. It sends the reply of `intercept`, and nothing before. */
export function unaryHandler<In, Out>(
  { rpc, method, work }: UnaryRpc<In, Out>,
  intercept: Interceptor,
  inFlight: InFlight,
): (call: ServerUnaryCall<Unread<In>, Buffer>, send: sendUnaryData<Buffer>) => Promise<void> {
  return async (rpcCall, send) => {
    const unread = rpcCall.request;
    const timeMs = timeFor(rpcCall.getDeadline());
    const request = read(rpc, unread);
    const call: RpcContext = {
      rpc,
      uid: uidOf(request),
      keyId: keyIdOf(request),
      requestBytes: unread.bytes,
      startedAt: performance.now(),
      timeMs,
    };
    inFlight.begin();
    try {
      const reply = await intercept(call, async () => {
        if (request instanceof KleidiError) throw request;
        const [response, keyId] = await within(timeMs, work(request, timeMs), () => tooLate(rpc, timeMs));
        const message = method.responseSerialize(response);
        return { message, keyId, ms: performance.now() - call.startedAt };
      });
      if (reply.failure === undefined) send(null, reply.message);
      else send({ code: reply.failure.grpc, details: reply.failure.message });
    } finally {
      inFlight.end();
    }
  };
}

function read<In>(rpc: string, unread: Unread<In>): In | KleidiError {
  try {
    return unread.read();
  } catch (error) {
    const message = `Cannot ${rpc}: the request is not a valid v2.${rpc}Request message`;
    return new KleidiError("request-invalid", message, error);
  }
}

function uidOf(request: unknown): string {
  const { uid = "" } = request as { readonly uid?: string };
  return replaceNonAscii(uid.slice(0, MAX_UID)).replaceAll(" ", "?");
}

function keyIdOf(request: unknown): string | undefined {
  const { keyId } = request as { readonly keyId?: string };
  return keyId === "" ? undefined : keyId;
}

/**
 * The time for an RPC, in milliseconds. The `timeout` of an EncryptionConfiguration may be shorter than its default of 3 s: that caller,
 * too, gets the host's own error before it gives up.
 */
function timeFor(deadline: Date | number): number {
  const left = Math.max(0, Number(deadline) - Date.now());
  if (left >= RPC_DEADLINE_MS + WAY_BACK_MS) return RPC_DEADLINE_MS;
  return Math.round(left - Math.min(WAY_BACK_MS, left / 5));
}

/** The work continues to its own deadline; its result is dropped. */
function tooLate(rpc: string, ms: number): KleidiError {
  return new KleidiError("deadline/rpc", `Cannot ${rpc}: it took longer than ${ms} ms`);
}
