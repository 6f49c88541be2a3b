/**
 * kleidi:keystore: AES-256-GCM under keys that never enter a guest. The engine is an injected WebCrypto, so that one over PKCS#11 can
 * replace the software engine. Keys are imported non-extractable; their version is their fingerprint. Passphrases are for OpenPGP only:
 * a name granted as a key cannot be used as a passphrase, nor the other way round.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  KeystoreInfoRequestSchema,
  KeystoreInfoSchema,
  type KeystoreOpenRequest,
  KeystoreOpenRequestSchema,
  type KeystoreS2kRequest,
  KeystoreS2kRequestSchema,
  type KeystoreSealRequest,
  KeystoreSealRequestSchema,
} from "../../../proto/provider/v1/provider_pb.ts";
import { answer, type HostAnswer, type HostCall, HostCode, refusal } from "../../host-call.ts";
import { denied, type Opened, type Plan } from "../capability.ts";
import { type KeystoreGrant, namesOf } from "./grant.ts";
import { fingerprint, type KeyBytes, passphraseOf } from "./key-file.ts";
import { MAX_COUNT, MAX_LENGTH, MIN_COUNT, SALT_BYTES, s2k } from "./s2k.ts";

export const REQUESTS = {
  info: KeystoreInfoRequestSchema,
  seal: KeystoreSealRequestSchema,
  open: KeystoreOpenRequestSchema,
  s2k: KeystoreS2kRequestSchema,
};

const NONCE = 12;
const TAG = 16;
const LABEL = Buffer.from("kleidi keystore 1\0");

interface Named {
  readonly version: string;
}

interface Key extends Named {
  readonly handle: CryptoKey;
}

interface Passphrase extends Named {
  readonly text: KeyBytes;
}

/** One use of keys: the granted names for it, and the loaded keys or passphrases. */
interface Use<Held extends Named> {
  granted(grant: KeystoreGrant): readonly string[];
  find(name: string): Held | undefined;
}

export class Keystore {
  readonly #engine: Crypto;
  readonly #keys = new Map<string, Key>();
  readonly #passphrases = new Map<string, Passphrase>();

  constructor(engine: Crypto) {
    this.#engine = engine;
  }

  /** Imports a key and wipes its bytes. */
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

  /** Adds a key as a passphrase and wipes its bytes. The text stays in memory, because hashing needs it and no engine holds it. */
  addPassphrase(name: string, bytes: KeyBytes): void {
    try {
      this.#passphrases.set(name, { version: fingerprint(bytes), text: passphraseOf(bytes) });
    } finally {
      bytes.wipe();
    }
  }

  readonly #asKey: Use<Key> = { granted: ({ keys }) => keys, find: (name) => this.#keys.get(name) };
  readonly #asPassphrase: Use<Passphrase> = {
    granted: ({ passphrases }) => passphrases ?? [],
    find: (name) => this.#passphrases.get(name),
  };
  readonly #asEither: Use<Named> = {
    granted: namesOf,
    find: (name) => this.#keys.get(name) ?? this.#passphrases.get(name),
  };

  /** The capability over all added keys. */
  opened(): Opened<typeof REQUESTS, KeystoreGrant> {
    return {
      requests: REQUESTS,
      decide: {
        info: ({ key }, call, grant) =>
          this.#with(this.#asEither, { key }, call, grant, ({ version }) =>
            answer(toBinary(KeystoreInfoSchema, create(KeystoreInfoSchema, { version }))),
          ),
        seal: (request, call, grant) =>
          this.#with(this.#asKey, request, call, grant, (key) => this.#seal(key, request, call)),
        open: (request, call, grant) =>
          this.#with(this.#asKey, request, call, grant, (key) => this.#open(key, request, call)),
        s2k: (request, call, grant) =>
          this.#with(
            this.#asPassphrase,
            request,
            call,
            grant,
            async ({ text }) => {
              const derived = await text.use((bytes) => s2k(bytes, request, call.signal));
              return derived === undefined
                ? refusal(HostCode.UNAVAILABLE, "the call is over")
                : answer(derived);
            },
            outOfBounds(request),
          ),
      },
    };
  }

  async #seal(
    { handle }: Key,
    { key, plaintext, associatedData }: KeystoreSealRequest,
    { provider }: HostCall,
  ): Promise<HostAnswer> {
    const iv = this.#engine.getRandomValues(new Uint8Array(NONCE));
    const additionalData = bind(provider, key, associatedData);
    const algorithm = { name: "AES-GCM", iv, additionalData };
    const sealed = await this.#engine.subtle.encrypt(algorithm, handle, new Uint8Array(plaintext));
    return answer(Buffer.concat([iv, new Uint8Array(sealed)]));
  }

  async #open(
    { handle }: Key,
    { key, sealed, associatedData }: KeystoreOpenRequest,
    { provider }: HostCall,
  ): Promise<HostAnswer> {
    if (sealed.length < NONCE + TAG) return refusal(HostCode.NOT_AUTHENTIC, "the sealed bytes are cut short");
    const iv = new Uint8Array(sealed.subarray(0, NONCE));
    const additionalData = bind(provider, key, associatedData);
    const algorithm = { name: "AES-GCM", iv, additionalData };
    try {
      const data = new Uint8Array(sealed.subarray(NONCE));
      return answer(new Uint8Array(await this.#engine.subtle.decrypt(algorithm, handle, data)));
    } catch {
      // The software engine fails for no other reason, and has no specific error for it.
      return refusal(
        HostCode.NOT_AUTHENTIC,
        "they were not sealed by this key, provider and associated data",
      );
    }
  }

  /** Checks the grant and finds the key; the plan uses it. @param fault the fault in the rest of the request */
  #with<Held extends Named>(
    use: Use<Held>,
    { key, version }: { readonly key: string; readonly version?: string },
    call: HostCall,
    grant: KeystoreGrant,
    perform: (held: Held) => HostAnswer | Promise<HostAnswer>,
    fault?: string,
  ): Plan | HostAnswer {
    const granted = use.granted(grant);
    if (!granted.includes(key)) return denied(call, `this key is not one of ${granted.length} granted`);
    if (fault !== undefined) return refusal(HostCode.INVALID, fault);
    const held = use.find(key);
    if (held === undefined) return refusal(HostCode.NOT_FOUND, "the key is not loaded");
    if (version !== undefined && version !== held.version)
      return refusal(HostCode.NOT_FOUND, "the key has another version");
    return { target: key, perform: () => perform(held) };
  }
}

/** The fault of the parameters of an s2k request, or undefined. */
function outOfBounds({ salt, count, length }: KeystoreS2kRequest): string | undefined {
  if (salt.length !== SALT_BYTES) return `the salt is ${salt.length} bytes, it should be ${SALT_BYTES}`;
  if (count < MIN_COUNT || count > MAX_COUNT) {
    return `the count is ${count}, it should be ${MIN_COUNT} to ${MAX_COUNT}`;
  }
  if (length < 1 || length > MAX_LENGTH) return `the length is ${length}, it should be 1 to ${MAX_LENGTH}`;
  return undefined;
}

/** Builds the associated data (docs/ABI.md, kleidi:keystore). It binds the provider's name, so no other provider can open the bytes. */
function bind(provider: string, key: string, associated: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.concat([LABEL, sized(provider), sized(key), associated]);
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
