/** A KMS v2 plugin that is not kleidí, as its cryptography says, on a socket. */
import { create } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { kmsMethods } from "../../host/grpc/methods.ts";
import {
  DecryptResponseSchema,
  EncryptResponseSchema,
  StatusResponseSchema,
} from "../../proto/kms/v2/kms_pb.ts";

export interface KmsPlugin {
  stop(): Promise<void>;
}

export interface PluginCryptography {
  readonly annotations: Record<string, Uint8Array>;
  /** Asked after each Encrypt, too. */
  keyId(): Promise<string>;
  encrypt(plaintext: Uint8Array): Promise<Uint8Array>;
  decrypt(ciphertext: Uint8Array): Promise<Uint8Array>;
}

export async function serveKmsPlugin(socket: string, plugin: PluginCryptography): Promise<KmsPlugin> {
  const server = new Server();
  server.addService(kmsMethods, {
    Status: unary(async () =>
      create(StatusResponseSchema, { version: "v2", healthz: "ok", keyId: await plugin.keyId() }),
    ),
    Encrypt: unary(async ({ plaintext }: { plaintext: Uint8Array }) => {
      const ciphertext = await plugin.encrypt(plaintext);
      const { annotations } = plugin;
      return create(EncryptResponseSchema, { ciphertext, keyId: await plugin.keyId(), annotations });
    }),
    Decrypt: unary(async ({ ciphertext }: { ciphertext: Uint8Array }) =>
      create(DecryptResponseSchema, { plaintext: await plugin.decrypt(ciphertext) }),
    ),
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  return {
    async stop() {
      server.forceShutdown();
    },
  };
}

function unary<In, Out>(work: (request: In) => Promise<Out>): UntypedHandleCall {
  return (({ request }: ServerUnaryCall<In, Out>, reply: sendUnaryData<Out>) => {
    work(request).then(
      (answer) => reply(null, answer),
      (error: Error) => reply({ code: 2, details: error.message }),
    );
  }) as UntypedHandleCall;
}
