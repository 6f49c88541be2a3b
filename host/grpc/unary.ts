/** One RPC in the server: the request is read, the interceptors run around the work, and their reply is sent. */
import type { MethodDefinition, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { KleidiError } from "../error.ts";
import { within } from "../lib/deadline.ts";
import { replaceNonAscii } from "../lib/text.ts";
import type { InFlight } from "./in-flight.ts";
import type { Interceptor, RpcContext } from "./interceptor.ts";
import type { Unread } from "./methods.ts";

// The API server waits 3 s. It gets an error from the host before its own deadline.
const DEADLINE_MS = 2_400;
const MAX_UID = 64;

export interface UnaryRpc<In, Out> {
  readonly rpc: RpcContext["rpc"];
  readonly method: MethodDefinition<In, Out>;
  /** @returns the reply message and the key_id of the key that was used */
  readonly work: (request: In) => Promise<readonly [Out, keyId: string]>;
}

/** @returns the handler for grpc-js. It sends the reply of `intercept`, and nothing before. */
export function unaryHandler<In, Out>(
  { rpc, method, work }: UnaryRpc<In, Out>,
  intercept: Interceptor,
  inFlight: InFlight,
): (call: ServerUnaryCall<Unread<In>, Buffer>, send: sendUnaryData<Buffer>) => Promise<void> {
  return async ({ request: unread }, send) => {
    const request = read(rpc, unread);
    const call: RpcContext = {
      rpc,
      uid: uidOf(request),
      keyId: keyIdOf(request),
      requestBytes: unread.bytes,
      startedAt: performance.now(),
    };
    inFlight.begin();
    try {
      const reply = await intercept(call, async () => {
        if (request instanceof KleidiError) throw request;
        const [response, keyId] = await within(DEADLINE_MS, work(request), () => tooLate(rpc));
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

/** The work continues to its own deadline; its result is dropped. */
function tooLate(rpc: string): KleidiError {
  return new KleidiError("deadline/rpc", `Cannot ${rpc}: it took longer than ${DEADLINE_MS} ms`);
}
