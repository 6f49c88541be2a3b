/** A client of the socket, as the API server is: for healthcheck, the quickstart and the tests. */
import { connect } from "node:net";
import { create } from "@bufbuild/protobuf";
import { Client, credentials, type MethodDefinition, status } from "@grpc/grpc-js";
import {
  DecryptRequestSchema,
  EncryptRequestSchema,
  StatusRequestSchema,
} from "../../proto/kms/v2/kms_pb.ts";
import { kmsMethods } from "./methods.ts";

export class KmsClient {
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      "grpc.default_authority": "localhost",
      "grpc.max_send_message_length": -1,
      // A separate connection for each client, as for each API server: by default the clients of one process share one.
      "grpc.use_local_subchannel_pool": 1,
      // In milliseconds. The default of one second is too coarse to see when a starting host becomes ready.
      "grpc.initial_reconnect_backoff_ms": 20,
      "grpc.min_reconnect_backoff_ms": 20,
      "grpc.max_reconnect_backoff_ms": 200,
    });
  }

  /** @throws ServiceError of grpc-js, with the code and the message of the host in `details`; so do the other RPCs */
  status(timeoutMs = 3_000) {
    return this.#call(kmsMethods.Status, create(StatusRequestSchema), timeoutMs);
  }

  encrypt(request: { plaintext: Uint8Array; uid?: string }, timeoutMs = 3_000) {
    return this.#call(kmsMethods.Encrypt, create(EncryptRequestSchema, request), timeoutMs);
  }

  decrypt(request: DecryptInput, timeoutMs = 3_000) {
    return this.#call(kmsMethods.Decrypt, create(DecryptRequestSchema, request), timeoutMs);
  }

  close(): void {
    this.#client.close();
  }

  #call<In, Out>(method: MethodDefinition<In, Out>, request: In, timeoutMs: number): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error !== null) reject(error);
          else if (response === undefined)
            reject(new Error(`${method.path} returned neither an error nor a response`));
          else resolve(response);
        },
      );
    });
  }
}

/** @returns the name of a gRPC status code, such as "NOT_FOUND" */
export function nameOfCode(code: number): string {
  return status[code] ?? String(code);
}

/**
 * Connects to a socket and closes the connection again.
 * @returns the system's error if no connection is possible: ENOENT and ECONNREFUSED if no process listens
 */
export function connectionError(socket: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once("connect", () => {
      connection.destroy();
      resolve(undefined);
    });
    connection.once("error", resolve);
  });
}

export interface DecryptInput {
  readonly ciphertext: Uint8Array;
  readonly keyId: string;
  readonly uid?: string;
  readonly annotations: Record<string, Uint8Array>;
}
