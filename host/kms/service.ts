/**
 * The three RPCs of KMS v2 as orchestration: check the request, choose the key, ask its provider, check the reply. No transport
 * and no I/O is in here.
 */
import { KleidiError, toKleidiError } from "../error.ts";
import { withFormat, withoutFormat } from "./annotations.ts";
import { type KeyId, parseKeyId } from "./key-id.ts";
import type { KeyConfig, Keyset } from "./keyset.ts";
import { MAX_CIPHERTEXT, MAX_PLAINTEXT } from "./limits.ts";
import type { Prober } from "./prober.ts";
import { open, seal } from "./seal.ts";

export interface Encrypted {
  readonly ciphertext: Uint8Array;
  readonly keyId: KeyId;
  readonly annotations: Readonly<Record<string, Uint8Array>>;
}

export interface DecryptInput {
  readonly ciphertext: Uint8Array;
  readonly keyId: string;
  readonly annotations: Readonly<Record<string, Uint8Array>>;
}

/**
 * How long an RPC waits for a first probe, in milliseconds. An API server that finds the socket asks at once, and a failure in the first
 * second makes its own first probe fail; it waits 3 s, and the host ends each RPC after 2.4.
 */
const FIRST_PROBE_MS = 2_000;

export class KmsService {
  readonly #keyset: Keyset;
  readonly #prober: Prober;

  constructor(keyset: Keyset, prober: Prober) {
    this.#keyset = keyset;
    this.#prober = prober;
  }

  /**
   * The active key_id, from what the last probe saw. A key that is not well is an error, not an unhealthy answer: only an error
   * stops writes (kubernetes/kubernetes#138950).
   */
  activeKeyId(): KeyId {
    const { keyId } = this.#keyset.encryptWith();
    this.#prober.assertFresh();
    return keyId;
  }

  /** The same, once the active key was probed. */
  async status(): Promise<KeyId> {
    await this.#probed([this.#keyset.active.key]);
    return this.activeKeyId();
  }

  async encrypt(plaintext: Uint8Array): Promise<Encrypted> {
    if (plaintext.length === 0) {
      throw new KleidiError("request-invalid", "Cannot encrypt: the plaintext is empty");
    }
    if (plaintext.length > MAX_PLAINTEXT) {
      throw new KleidiError(
        "request-too-large",
        `Cannot encrypt: the plaintext is ${plaintext.length} bytes, at most ${MAX_PLAINTEXT} are allowed`,
      );
    }
    await this.#probed([this.#keyset.active.key]);
    const target = this.#keyset.encryptWith();
    const sealed = await this.#watched(target.key, () => seal(target, plaintext));
    return {
      ciphertext: sealed.ciphertext,
      keyId: target.keyId,
      annotations: withFormat(sealed.annotations),
    };
  }

  async decrypt({ ciphertext, keyId, annotations }: DecryptInput): Promise<Uint8Array> {
    const wanted = parseKeyId(keyId);
    // Which key has it is known when all were probed.
    if (!this.#keyset.knows(wanted)) await this.#probed(this.#keyset.keys);
    const target = this.#keyset.decryptWith(wanted);
    if (ciphertext.length === 0 || ciphertext.length > MAX_CIPHERTEXT) {
      throw new KleidiError(
        "ciphertext-invalid",
        `Cannot decrypt: the ciphertext is ${ciphertext.length} bytes, 1 to ${MAX_CIPHERTEXT} are allowed`,
      );
    }
    const sealed = { ciphertext, annotations: withoutFormat(annotations) };
    return await this.#watched(target.key, () => open(target, sealed));
  }

  /** Resolves when the keys were probed once, well or not, or when it is time to say that they were not. */
  async #probed(keys: readonly KeyConfig[]): Promise<void> {
    const waits = keys.flatMap((key) => this.#prober.firstProbe(key) ?? []);
    if (waits.length === 0) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FIRST_PROBE_MS);
    await Promise.race([Promise.all(waits), late]);
    clearTimeout(timer);
  }

  /** A failure that is not the caller's makes the key be probed again at once. */
  async #watched<T>(key: KeyConfig, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = toKleidiError(error, `use key "${key.name}"`);
      if (failure.code !== "ciphertext-invalid" && failure.code !== "overloaded") this.#prober.soon(key);
      throw failure;
    }
  }
}
