/** A client of the socket, as the API server is one: for healthcheck, the quickstart and the tests. */
import { create } from "@bufbuild/protobuf";
import { Client, credentials, type MethodDefinition } from "@grpc/grpc-js";
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
      // A connection of its own, as each API server has one: clients of one process would share it, and with it its streams.
      "grpc.use_local_subchannel_pool": 1,
      // Milliseconds. The default of a second would hide when a host that is starting becomes ready.
      "grpc.initial_reconnect_backoff_ms": 20,
      "grpc.min_reconnect_backoff_ms": 20,
      "grpc.max_reconnect_backoff_ms": 200,
    });
  }

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
            reject(new Error(`${method.path} gave neither an error nor a response`));
          else resolve(response);
        },
      );
    });
  }
}

export interface DecryptInput {
  readonly ciphertext: Uint8Array;
  readonly keyId: string;
  readonly uid?: string;
  readonly annotations: Record<string, Uint8Array>;
}
