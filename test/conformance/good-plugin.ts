/** A good KMS v2 plugin, and a server for it on a socket. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { kmsMethods } from "../../host/grpc/methods.ts";
import {
  type DecryptRequest,
  DecryptResponseSchema,
  type EncryptRequest,
  EncryptResponseSchema,
  StatusResponseSchema,
} from "../../proto/kms/v2/kms_pb.ts";

export const NONCE = 12;
export const TAG = 16;
/** The name of its annotation. */
export const NOTE = "note.plugin.example";

/** An RPC that fails with a code. */
export class Refused extends Error {
  readonly code: number;

  constructor(code: number, details: string) {
    super(details);
    this.code = code;
  }
}

/** A good plugin: AES-256-GCM under the key of a key_id, which it binds with its annotation. A fault overrides one method. */
export class GoodPlugin {
  generation = 1;
  inFlight = 0;

  keyId(): string {
    return `key-${this.generation}`;
  }

  status(): { version: string; healthz: string; keyId: string } {
    return { version: "v2", healthz: "ok", keyId: this.keyId() };
  }

  rotate(): void {
    this.generation += 1;
  }

  nonce(): Buffer {
    return randomBytes(NONCE);
  }

  annotations(_plaintext: Uint8Array): Record<string, Uint8Array> {
    return { [NOTE]: randomBytes(4) };
  }

  /** Bytes that the cipher binds. */
  bound(keyId: string, annotations: Readonly<Record<string, Uint8Array>>, _uid: string): Buffer {
    return Buffer.concat([Buffer.from(keyId), annotations[NOTE] ?? Buffer.alloc(0)]);
  }

  encrypt({ plaintext, uid }: EncryptRequest) {
    if (plaintext.length > 900) throw this.refusal(plaintext);
    const keyId = this.keyId();
    const annotations = this.annotations(plaintext);
    const nonce = this.nonce();
    const cipher = createCipheriv("aes-256-gcm", keyOf(keyId), nonce).setAAD(
      this.bound(keyId, annotations, uid),
    );
    const ciphertext = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return { ciphertext, keyId, annotations };
  }

  refusal(_plaintext: Uint8Array): Refused {
    return new Refused(status.INVALID_ARGUMENT, "the plaintext is too large");
  }

  knows(keyId: string): boolean {
    const [, number] = /^key-(\d+)$/.exec(keyId) ?? [];
    return Number(number) >= 1 && Number(number) <= this.generation;
  }

  decrypt(request: DecryptRequest): Uint8Array {
    const { ciphertext, keyId, annotations, uid } = request;
    if (!this.knows(keyId)) throw new Refused(status.NOT_FOUND, "there is no key with this key_id");
    return this.open(Buffer.from(ciphertext), keyOf(this.keyFor(keyId)), this.bound(keyId, annotations, uid));
  }

  /** The key_id whose key decrypts. */
  keyFor(keyId: string): string {
    return keyId;
  }

  open(ciphertext: Buffer, key: Buffer, bound: Buffer): Uint8Array {
    const end = ciphertext.length - TAG;
    if (end < NONCE) throw new Refused(status.INVALID_ARGUMENT, "the ciphertext is too short");
    const cipher = createDecipheriv("aes-256-gcm", key, ciphertext.subarray(0, NONCE)).setAAD(bound);
    cipher.setAuthTag(ciphertext.subarray(end));
    try {
      return Buffer.concat([cipher.update(ciphertext.subarray(NONCE, end)), cipher.final()]);
    } catch {
      throw new Refused(status.INVALID_ARGUMENT, "the ciphertext is not one of this key");
    }
  }
}

function keyOf(keyId: string): Buffer {
  return createHash("sha256").update(keyId).digest();
}

/** Serves a plugin. @returns a function that ends it */
export async function servePlugin(socket: string, plugin: GoodPlugin): Promise<() => void> {
  const server = new Server();
  server.addService(kmsMethods, {
    Status: unary(plugin, () => create(StatusResponseSchema, plugin.status())),
    Encrypt: unary(plugin, (request: EncryptRequest) =>
      create(EncryptResponseSchema, plugin.encrypt(request)),
    ),
    Decrypt: unary(plugin, (request: DecryptRequest) =>
      create(DecryptResponseSchema, { plaintext: plugin.decrypt(request) }),
    ),
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  return () => server.forceShutdown();
}

/** Each call is in flight until the next turn of the event loop, so that those that arrive together are counted together. */
function unary<In, Out>(plugin: GoodPlugin, work: (request: In) => Out): UntypedHandleCall {
  return (({ request }: ServerUnaryCall<In, Out>, reply: sendUnaryData<Out>) => {
    plugin.inFlight += 1;
    setImmediate(() => {
      try {
        reply(null, work(request));
      } catch (error) {
        const { code = status.UNKNOWN, message } = error as Refused;
        reply({ code, details: message });
      } finally {
        plugin.inFlight -= 1;
      }
    });
  }) as UntypedHandleCall;
}
