/** The gRPC server: the three RPCs of KMS v2 over a Unix socket, with limits on connections and streams and with interceptors. */
import type { Http2Server, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import {
  DecryptResponseSchema,
  EncryptResponseSchema,
  StatusResponseSchema,
} from "../../proto/kms/v2/kms_pb.ts";
import { KleidiError } from "../error.ts";
import type { KeyId } from "../kms/key-id.ts";
import type { KmsService } from "../kms/service.ts";
import { Guard, type GuardEvents, type GuardSample } from "./guard.ts";
import { InFlight } from "./in-flight.ts";
import { chain, type Interceptor } from "./interceptor.ts";
import { type KeptListener, keepListening, type SocketEvents } from "./keep-listening.ts";
import { LIMITS } from "./limits.ts";
import { type ListenOptions, listen, listenOnPassed } from "./listener.ts";
import { kmsMethods, unread } from "./methods.ts";
import { type Environment, passedSocket } from "./passed-socket.ts";
import { unaryHandler } from "./unary.ts";

export interface KmsServerOptions {
  readonly service: { status(ms?: number): KeyId | Promise<KeyId> } & Pick<KmsService, "encrypt" | "decrypt">;
  /** Run around each RPC; the first one is the outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** Callers decide how often these are called. */
  readonly guardEvents?: Partial<GuardEvents>;
  /** Called when the socket is removed or replaced, and when it is bound again. */
  readonly socketEvents?: SocketEvents;
  /** Milliseconds between two checks that the socket is in its place. */
  readonly socketCheckMs?: number;
  /** Of this process: the service manager may pass the socket. */
  readonly environment?: Environment;
}

const IGNORED: SocketEvents = { lost() {}, refused() {}, bound() {} };
const SOCKET_CHECK_MS = 10_000;

// The largest legal request is a Decrypt: a ciphertext, a key_id and 32 KiB of annotations.
const MAX_MESSAGE = 64 * 1024;
const MAX_METADATA = 8192;
const LAST_WRITES_MS = 20;

// grpc-js logs the metadata of callers to stderr, without a limit.
setLogVerbosity(logVerbosity.NONE);

export class KmsServer {
  readonly #grpc: Server;
  readonly #guard: Guard;
  readonly #injector: ReturnType<Server["createConnectionInjector"]>;
  readonly #inFlight = new InFlight();
  readonly #keep: Pick<KmsServerOptions, "socketEvents" | "socketCheckMs" | "environment">;
  #listener: KeptListener | undefined;

  constructor({ service, interceptors = [], guardEvents, ...keep }: KmsServerOptions) {
    this.#keep = keep;
    this.#grpc = grpcServer(service, chain(interceptors), this.#inFlight);
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const http2 = http2ServerOf(this.#grpc);
    this.#guard = new Guard({ onClosed() {}, onUnseenRequest() {}, ...guardEvents });
    guardStreams(http2, this.#guard);
  }

  /**
   * Binds the socket and accepts connections. From then on a socket that is removed or replaced is bound again.
   * @throws KleidiError socket-refused
   */
  async listen(where: ListenOptions): Promise<void> {
    const { socketEvents = IGNORED, socketCheckMs = SOCKET_CHECK_MS, environment = {} } = this.#keep;
    const accept = (socket: Socket) =>
      this.#guard.accept(socket, () => this.#injector.injectConnection(socket));
    let passed = passedSocket(where.socket, environment);
    const open = () => {
      const descriptor = passed;
      // A socket that was removed is bound again by the host itself.
      passed = undefined;
      return descriptor === undefined ? listen(where, accept) : listenOnPassed(where, descriptor, accept);
    };
    this.#listener = await keepListening(open, socketCheckMs, socketEvents);
  }

  /** @throws KleidiError socket-refused: the socket was lost and cannot be bound again */
  assertReachable(): void {
    const failure = this.#listener?.failure();
    if (failure !== undefined) throw failure;
  }

  /**
   * Accepts no new RPCs, waits for those in flight, closes all connections and removes the socket.
   * @param graceMs how long it waits at most, in milliseconds
   */
  async stop(graceMs: number): Promise<void> {
    this.#listener?.close();
    // Sends GOAWAY: callers start no new RPCs on their connections, and get the replies to those that they have started.
    this.#injector.drain(graceMs);
    await this.#inFlight.idle(graceMs);
    // The replies are written in this turn of the event loop and the next.
    await new Promise((resolve) => setTimeout(resolve, LAST_WRITES_MS));
    this.#grpc.forceShutdown();
    this.#injector.destroy();
    this.#guard.stop();
  }

  /** The connections and requests of now, for metrics. */
  sample(): GuardSample {
    return this.#guard.sample();
  }
}

function grpcServer(
  service: KmsServerOptions["service"],
  intercept: Interceptor,
  inFlight: InFlight,
): Server {
  const { Status, Encrypt, Decrypt } = kmsMethods;
  const status = async (_: unknown, ms: number) => {
    const keyId = await service.status(ms);
    return [create(StatusResponseSchema, { version: "v2", healthz: "ok", keyId }), keyId] as const;
  };
  const encrypt = async ({ plaintext }: { plaintext: Uint8Array }, ms: number) => {
    const sealed = await service.encrypt(plaintext, ms);
    const message = { ...sealed, annotations: { ...sealed.annotations } };
    return [create(EncryptResponseSchema, message), sealed.keyId] as const;
  };
  const decrypt = async (request: Parameters<KmsService["decrypt"]>[0], ms: number) => {
    const plaintext = await service.decrypt(request, ms);
    return [create(DecryptResponseSchema, { plaintext }), request.keyId] as const;
  };
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.max_send_message_length": MAX_MESSAGE,
    "grpc.max_concurrent_streams": LIMITS.streamsAtFirst,
    // Channelz keeps statistics of each connection and stream; nothing here reads them.
    "grpc.enable_channelz": 0,
  });
  const methods = { Status: unread(Status), Encrypt: unread(Encrypt), Decrypt: unread(Decrypt) };
  server.addService(methods, {
    Status: unaryHandler({ rpc: "Status", method: Status, work: status }, intercept, inFlight),
    Encrypt: unaryHandler({ rpc: "Encrypt", method: Encrypt, work: encrypt }, intercept, inFlight),
    Decrypt: unaryHandler({ rpc: "Decrypt", method: Decrypt, work: decrypt }, intercept, inFlight),
  });
  return server;
}

/** The guard sees each session and each stream before grpc-js does. */
function guardStreams(http2: Http2Server, guard: Guard): void {
  http2.updateSettings({ initialWindowSize: LIMITS.windowBytes, maxHeaderListSize: MAX_METADATA });
  http2.on("session", (session) => guard.session(session));
  const grpcListeners = http2.listeners("stream");
  http2.removeAllListeners("stream");
  http2.on("stream", (stream, headers, flags, ...rest) => {
    if (guard.stream(stream as ServerHttp2Stream, flags))
      for (const listener of grpcListeners) listener.call(http2, stream, headers, flags, ...rest);
  });
}

/** grpc-js has no public way to the HTTP/2 server that it makes for injected connections. */
function http2ServerOf(server: Server): Http2Server {
  const { http2Servers } = server as unknown as { readonly http2Servers?: Map<Http2Server, unknown> };
  const [found] = http2Servers?.keys() ?? [];
  if (found === undefined)
    throw new KleidiError("host-fault", "Cannot guard the socket: grpc-js does not expose its HTTP/2 server");
  return found;
}
