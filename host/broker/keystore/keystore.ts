/**
 * kleidi:keystore: AES-256-GCM under keys that never enter a guest. The engine is a WebCrypto that is handed in, so that one over
 * PKCS#11 can stand in for the software one. Keys are imported non-extractable and named by their fingerprint.
 */
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  KeystoreInfoRequestSchema,
  KeystoreInfoSchema,
  KeystoreOpenRequestSchema,
  KeystoreSealRequestSchema,
} from "../../../proto/provider/v1/provider_pb.ts";
import { answer, type HostAnswer, type HostCall, HostCode, refusal } from "../../host-call.ts";
import type { Client, Operation, Plan } from "../gate.ts";
import { fingerprint, type KeyBytes } from "./key-file.ts";

const NONCE = 12;
const TAG = 16;
const LABEL = Buffer.from("kleidi keystore 1\0");

interface Key {
  readonly version: string;
  readonly handle: CryptoKey;
}

export class Keystore {
  readonly #engine: Crypto;
  readonly #keys = new Map<string, Key>();

  constructor(engine: Crypto) {
    this.#engine = engine;
  }

  /** Takes a key and wipes its bytes. */
  async add(name: string, bytes: KeyBytes): Promise<void> {
    try {
      const version = fingerprint(bytes);
      const handle = await bytes.use((raw) =>
        this.#engine.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]),
      );
      this.#keys.set(name, { version, handle });
    } finally {
      bytes.wipe();
    }
  }

  /** The operations of the capability. */
  readonly operations: Record<string, Operation> = {
    info: (call, client) =>
      this.#with(call, client, KeystoreInfoRequestSchema, (key) =>
        answer(toBinary(KeystoreInfoSchema, create(KeystoreInfoSchema, { version: key.version }))),
      ),
    seal: (call, client) =>
      this.#with(call, client, KeystoreSealRequestSchema, async (key, request) => {
        const iv = this.#engine.getRandomValues(new Uint8Array(NONCE));
        const additionalData = bind(call.provider, request.key, request.associatedData);
        const sealed = await this.#engine.subtle.encrypt(
          { name: "AES-GCM", iv, additionalData },
          key.handle,
          new Uint8Array(request.plaintext),
        );
        return answer(Buffer.concat([iv, new Uint8Array(sealed)]));
      }),
    open: (call, client) =>
      this.#with(call, client, KeystoreOpenRequestSchema, async (key, request) => {
        const { sealed } = request;
        if (sealed.length < NONCE + TAG)
          return refusal(HostCode.NOT_AUTHENTIC, "the sealed bytes are cut short");
        const iv = new Uint8Array(sealed.subarray(0, NONCE));
        const additionalData = bind(call.provider, request.key, request.associatedData);
        try {
          const plaintext = await this.#engine.subtle.decrypt(
            { name: "AES-GCM", iv, additionalData },
            key.handle,
            new Uint8Array(sealed.subarray(NONCE)),
          );
          return answer(new Uint8Array(plaintext));
        } catch {
          // The software engine fails for no other reason, and names no error of its own for this one.
          return refusal(
            HostCode.NOT_AUTHENTIC,
            "they were not sealed by this key, provider and associated data",
          );
        }
      }),
  };

  /** Parses, checks the grant and finds the key; what is done with it is left to the plan. */
  #with<Request extends DescMessage>(
    call: HostCall,
    client: Client,
    schema: Request,
    perform: (key: Key, request: MessageShape<Request> & { key: string }) => HostAnswer | Promise<HostAnswer>,
  ): Plan | HostAnswer {
    let request: MessageShape<Request> & { key: string; version?: string };
    try {
      request = fromBinary(schema, call.request) as typeof request;
    } catch {
      return refusal(HostCode.INVALID, `the request is no ${schema.name}`);
    }
    if (!client.grants.keystore?.keys.includes(request.key)) {
      return refusal(
        HostCode.DENIED,
        `kleidi:keystore ${call.operation} in ${call.rpc}: this key is not one of ${client.grants.keystore?.keys.length ?? 0} granted`,
      );
    }
    const key = this.#keys.get(request.key);
    if (key === undefined) return refusal(HostCode.NOT_FOUND, "the key is not loaded");
    if (request.version !== undefined && request.version !== key.version) {
      return refusal(HostCode.NOT_FOUND, "the key has another version");
    }
    return { target: request.key, perform: () => perform(key, request) };
  }
}

/** Binds more than the guest asked for (docs/ABI.md, kleidi:keystore): what one provider sealed, no other one opens. */
function bind(provider: string, key: string, associated: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.concat([LABEL, sized(provider), sized(key), associated]);
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
