/** The gRPC server: protobuf to kms and back, a deadline for each call, and our own sentence with each error. */
import { create } from "@bufbuild/protobuf";
import {
  logVerbosity,
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
import type { KmsService } from "../kms/service.ts";
import { type Listener, type ListenOptions, listen } from "./listener.ts";
import { kmsMethods, type Unread, unread } from "./methods.ts";

export interface ServeOptions {
  readonly listen: ListenOptions;
  readonly service: Pick<KmsService, "status" | "encrypt" | "decrypt">;
  readonly onRpc: (outcome: RpcOutcome) => void;
  /** Runs each RPC, onRpc included: it may set an async context. */
  readonly around?: <T>(rpc: () => T) => T;
}

export interface RpcOutcome {
  readonly rpc: "Status" | "Encrypt" | "Decrypt";
  /** As the caller named its request; cut to 64 characters, anything but printable ASCII replaced. */
  readonly uid: string;
  readonly keyId?: string | undefined;
  readonly ms: number;
  readonly failure?: KleidiError | undefined;
}

export interface KmsServer {
  /** Accepts no new calls, waits for those in flight, at most this many milliseconds, and removes the socket. */
  stop(graceMs: number): Promise<void>;
}

// The API server waits 3 s; it should hear our sentence, not its own deadline.
const DEADLINE_MS = 2_400;
// The largest legal request is a Decrypt: a ciphertext, a key_id and 32 KiB of annotations.
const MAX_MESSAGE = 64 * 1024;
const LAST_WRITES_MS = 20;

// grpc-js writes to stderr what a caller's metadata says, as often as the caller likes.
setLogVerbosity(logVerbosity.NONE);

/** @throws KleidiError socket-refused */
export async function serve({
  listen: where,
  service,
  onRpc,
  around = (rpc) => rpc(),
}: ServeOptions): Promise<KmsServer> {
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.max_send_message_length": MAX_MESSAGE,
    "grpc.max_concurrent_streams": 1024,
    "grpc.max_metadata_size": 8192,
  });
  const methods = {
    Status: unread(kmsMethods.Status),
    Encrypt: unread(kmsMethods.Encrypt),
    Decrypt: unread(kmsMethods.Decrypt),
  };
  server.addService(methods, {
    Status: unary("Status", async () => {
      const keyId = service.status();
      return [create(StatusResponseSchema, { version: "v2", healthz: "ok", keyId }), keyId];
    }),
    Encrypt: unary("Encrypt", async (request: { plaintext: Uint8Array }) => {
      const sealed = await service.encrypt(request.plaintext);
      return [
        create(EncryptResponseSchema, { ...sealed, annotations: { ...sealed.annotations } }),
        sealed.keyId,
      ];
    }),
    Decrypt: unary("Decrypt", async (request: DecryptCall) => {
      const plaintext = await service.decrypt(request);
      return [create(DecryptResponseSchema, { plaintext }), request.keyId];
    }),
  });
  const inFlight = new InFlight();
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await listen(where, (socket) => injector.injectConnection(socket));
  return { stop: (graceMs) => stop(server, injector, listener, inFlight, graceMs) };

  type DecryptCall = { ciphertext: Uint8Array; keyId: string; annotations: Record<string, Uint8Array> };

  function unary<In, Out>(rpc: RpcOutcome["rpc"], work: (request: In) => Promise<[Out, string]>) {
    const answer = async (call: ServerUnaryCall<Unread<In>, Out>, reply: sendUnaryData<Out>) => {
      const begun = performance.now();
      let uid = "";
      const told = (rest: { keyId?: string; failure?: KleidiError }) =>
        onRpc({ rpc, uid, ms: performance.now() - begun, ...rest });
      inFlight.begin();
      try {
        const request = read(rpc, call.request);
        uid = printable((request as { uid?: string }).uid ?? "");
        const [response, keyId] = await within(rpc, work(request));
        reply(null, response);
        told({ keyId });
      } catch (error) {
        const failure = toKleidiError(error, rpc);
        reply({ code: failure.grpc, details: failure.message });
        told({ failure });
      } finally {
        inFlight.end();
      }
    };
    return (call: ServerUnaryCall<Unread<In>, Out>, reply: sendUnaryData<Out>) =>
      around(() => answer(call, reply));
  }
}

function read<In>(rpc: string, request: Unread<In>): In {
  try {
    return request.read();
  } catch (error) {
    const message = `Cannot ${rpc}: the request is no v2.${rpc}Request in protobuf`;
    throw new KleidiError("request-invalid", message, error);
  }
}

/** What the caller does not wait for any longer runs on to its own, bounded end. */
function within<T>(rpc: string, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(
    () => reject(new KleidiError("deadline", `Cannot ${rpc}: it took longer than ${DEADLINE_MS} ms`)),
    DEADLINE_MS,
  );
  work.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
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

function printable(text: string): string {
  return text.slice(0, 64).replace(/[^\x21-\x7e]/g, "?");
}
