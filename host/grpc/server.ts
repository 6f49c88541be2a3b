/** The gRPC server: protobuf to kms and back, a deadline for each call, and our own sentence with each error. */

import type { Http2Server, ServerHttp2Stream } from "node:http2";
import { create } from "@bufbuild/protobuf";
import {
  logVerbosity,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  setLogVerbosity,
} from "@grpc/grpc-js";
import {
  DecryptResponseSchema,
  EncryptResponseSchema,
  StatusResponseSchema,
} from "../../proto/kms/v2/kms_pb.ts";
import { KleidiError, toKleidiError } from "../error.ts";
import type { KeyId } from "../kms/key-id.ts";
import type { KmsService } from "../kms/service.ts";
import { within } from "../lib/deadline.ts";
import { replaceNonAscii } from "../lib/text.ts";
import { Guard, type GuardSample, type OnClosed } from "./guard.ts";
import { LIMITS } from "./limits.ts";
import { type Listener, type ListenOptions, listen } from "./listener.ts";
import { kmsMethods, type Unread, unread } from "./methods.ts";

export interface ServeOptions {
  readonly listen: ListenOptions;
  readonly service: { status(): KeyId | Promise<KeyId> } & Pick<KmsService, "encrypt" | "decrypt">;
  readonly onRpc: (outcome: RpcOutcome) => void;
  /** Runs each RPC, `record` and onRpc included: it may set an async context. */
  readonly around?: <T>(rpc: () => T, uid: string) => T;
  /** Awaited before the answer leaves. Where it rejects, that is the answer: what is in no record is not handed out. */
  readonly record?: (outcome: RpcOutcome) => Promise<void>;
  /** A connection was closed because of a limit. As often as callers like. */
  readonly onClosed?: OnClosed;
}

export interface RpcOutcome {
  readonly rpc: "Status" | "Encrypt" | "Decrypt";
  /** As the caller named its request; cut to 64 characters, anything but printable ASCII replaced. */
  readonly uid: string;
  /** Of a Decrypt that failed, as the caller said it. */
  readonly keyId?: string | undefined;
  /** Of the message as it came. */
  readonly requestBytes: number;
  /** Of the message that answers it; absent where it failed. */
  readonly replyBytes?: number | undefined;
  readonly ms: number;
  readonly failure?: KleidiError | undefined;
}

export interface KmsServer {
  /** Accepts no new calls, waits for those in flight, at most this many milliseconds, and removes the socket. */
  stop(graceMs: number): Promise<void>;
  sample(): GuardSample;
}

// The API server waits 3 s; it should hear our sentence, not its own deadline.
const DEADLINE_MS = 2_400;
// The largest legal request is a Decrypt: a ciphertext, a key_id and 32 KiB of annotations.
const MAX_MESSAGE = 64 * 1024;
const MAX_METADATA = 8192;
const LAST_WRITES_MS = 20;

// grpc-js writes to stderr what a caller's metadata says, as often as the caller likes.
setLogVerbosity(logVerbosity.NONE);

/** @throws KleidiError socket-refused */
export async function serve({
  listen: where,
  service,
  onRpc,
  around = (rpc) => rpc(),
  record = () => Promise.resolve(),
  onClosed = () => {},
}: ServeOptions): Promise<KmsServer> {
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.max_send_message_length": MAX_MESSAGE,
    "grpc.max_concurrent_streams": LIMITS.streamsAtFirst,
    // Keeps books of each connection and stream, which nobody reads.
    "grpc.enable_channelz": 0,
  });
  const methods = {
    Status: unread(kmsMethods.Status),
    Encrypt: unread(kmsMethods.Encrypt),
    Decrypt: unread(kmsMethods.Decrypt),
  };
  server.addService(methods, {
    Status: unary("Status", kmsMethods.Status, async () => {
      const keyId = await service.status();
      return [create(StatusResponseSchema, { version: "v2", healthz: "ok", keyId }), keyId];
    }),
    Encrypt: unary("Encrypt", kmsMethods.Encrypt, async (request: { plaintext: Uint8Array }) => {
      const sealed = await service.encrypt(request.plaintext);
      return [
        create(EncryptResponseSchema, { ...sealed, annotations: { ...sealed.annotations } }),
        sealed.keyId,
      ];
    }),
    Decrypt: unary("Decrypt", kmsMethods.Decrypt, async (request: DecryptCall) => {
      const plaintext = await service.decrypt(request);
      return [create(DecryptResponseSchema, { plaintext }), request.keyId];
    }),
  });
  const inFlight = new InFlight();
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const guard = new Guard(onClosed);
  const http2 = http2ServerOf(server);
  http2.updateSettings({ initialWindowSize: LIMITS.windowBytes, maxHeaderListSize: MAX_METADATA });
  http2.on("session", (session) => guard.session(session));
  const toGrpc = http2.listeners("stream");
  http2.removeAllListeners("stream");
  http2.on("stream", (stream, headers, flags, ...rest) => {
    if (guard.stream(stream as ServerHttp2Stream, flags))
      for (const to of toGrpc) to.call(http2, stream, headers, flags, ...rest);
  });
  const listener = await listen(where, (socket) => {
    guard.accept(socket, () => injector.injectConnection(socket));
  }).catch((error) => {
    guard.stop();
    throw error;
  });
  return {
    sample: () => guard.sample(),
    async stop(graceMs) {
      await stop(server, injector, listener, inFlight, graceMs);
      guard.stop();
    },
  };

  type DecryptCall = { ciphertext: Uint8Array; keyId: string; annotations: Record<string, Uint8Array> };

  function unary<In, Out>(
    rpc: RpcOutcome["rpc"],
    method: MethodDefinition<In, Out>,
    work: (request: In) => Promise<[Out, string]>,
  ) {
    const answer = async (asked: Asked<In>, uid: string, reply: sendUnaryData<Buffer>) => {
      const begun = performance.now();
      const outcome = (rest: Pick<RpcOutcome, "keyId" | "replyBytes" | "failure">): RpcOutcome => {
        return { rpc, uid, requestBytes: asked.bytes, ms: performance.now() - begun, ...rest };
      };
      let told: RpcOutcome;
      inFlight.begin();
      try {
        if (asked.failure !== undefined) throw asked.failure;
        const [response, keyId] = await within(DEADLINE_MS, work(asked.request), () => tooLate(rpc));
        const bytes = method.responseSerialize(response);
        const good = outcome({ keyId, replyBytes: bytes.length });
        await record(good);
        reply(null, bytes);
        told = good;
      } catch (error) {
        const cause = toKleidiError(error, rpc);
        const failed = outcome({ keyId: keyIdIn(asked), failure: cause });
        const failure = cause.code === "audit-failed" ? cause : await recorded(failed, cause);
        reply({ code: failure.grpc, details: failure.message });
        told = { ...failed, failure };
      } finally {
        inFlight.end();
      }
      // Once it is answered: what fails here is no reason for another answer.
      onRpc(told);
    };
    return (call: ServerUnaryCall<Unread<In>, Buffer>, reply: sendUnaryData<Buffer>) => {
      const asked = read(rpc, call.request);
      const said = (asked.request as { uid?: string } | undefined)?.uid ?? "";
      const uid = replaceNonAscii(said.slice(0, 64)).replaceAll(" ", "?");
      return around(() => answer(asked, uid, reply), uid);
    };
  }

  /** What a failed RPC is answered with: its failure, or that there is no record of it. */
  async function recorded(failed: RpcOutcome, cause: KleidiError): Promise<KleidiError> {
    try {
      await record(failed);
      return cause;
    } catch (error) {
      return toKleidiError(error, failed.rpc);
    }
  }
}

/** grpc-js has no public way to the server that it makes for injected connections, and none to its sessions. */
function http2ServerOf(server: Server): Http2Server {
  const { http2Servers } = server as unknown as { readonly http2Servers?: Map<Http2Server, unknown> };
  const [found] = http2Servers?.keys() ?? [];
  if (found === undefined)
    throw new KleidiError("host-fault", "Cannot guard the socket: grpc-js does not expose its HTTP/2 server");
  return found;
}

type Asked<In> = { readonly bytes: number } & (
  | { readonly request: In; readonly failure?: undefined }
  | { readonly failure: KleidiError; readonly request?: undefined }
);

function keyIdIn({ request }: Asked<unknown>): string | undefined {
  const { keyId } = (request ?? {}) as { readonly keyId?: string };
  return keyId === "" ? undefined : keyId;
}

/** What the caller does not wait for any longer runs on to its own, bounded end. */
function tooLate(rpc: string): KleidiError {
  return new KleidiError("deadline", `Cannot ${rpc}: it took longer than ${DEADLINE_MS} ms`);
}

function read<In>(rpc: string, unread: Unread<In>): Asked<In> {
  const { bytes } = unread;
  try {
    return { bytes, request: unread.read() };
  } catch (error) {
    const message = `Cannot ${rpc}: the request is not a valid v2.${rpc}Request message`;
    return { bytes, failure: new KleidiError("request-invalid", message, error) };
  }
}

/** Calls that have begun and not ended; grpc-js does not wait for those of injected connections. */
class InFlight {
  #count = 0;
  #onIdle: (() => void) | undefined;

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#onIdle?.();
  }

  /** Resolves when no call is in flight, or after this many milliseconds. */
  async idle(limitMs: number): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function stop(
  server: Server,
  injector: { drain(graceMs: number): void; destroy(): void },
  listener: Listener,
  inFlight: InFlight,
  graceMs: number,
): Promise<void> {
  listener.close();
  // GOAWAY: the callers send nothing more on their connections, and get what they asked for before.
  injector.drain(graceMs);
  await inFlight.idle(graceMs);
  // The replies leave in this turn of the event loop and the next.
  await new Promise((resolve) => setTimeout(resolve, LAST_WRITES_MS));
  server.forceShutdown();
  injector.destroy();
}
