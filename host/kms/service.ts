/**
 * The three RPCs of KMS v2: check the request, choose the key, call its provider, check the reply. This file has no transport and
 * no I/O.
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
 * The longest wait of an RPC for a first probe, in milliseconds. An API server that finds the socket calls at once, and an error in the
 * first second fails its own first probe. It waits 3 s, and the host ends each RPC after 2.4 s.
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
   * Returns the key_id of the active key after its last probe. A failed key is an error, not an answer with an unhealthy status: only an
   * error stops writes (kubernetes/kubernetes#138950).
   * @throws KleidiError key-not-ready; the failure of the last probe
   */
  activeKeyId(): KeyId {
    const { keyId } = this.#keyset.encryptWith();
    this.#prober.assertFresh();
    return keyId;
  }

  /** Waits for the first probe of the active key, then returns activeKeyId(). */
  async status(): Promise<KeyId> {
    await this.#waitForProbes([this.#keyset.active.key]);
    return this.activeKeyId();
  }

  /**
   * Encrypts with the active key.
   * @param plaintext 1 to MAX_PLAINTEXT bytes
   * @throws KleidiError request-invalid, request-too-large, key-not-ready, read-back-failed; the provider's failure
   */
  async encrypt(plaintext: Uint8Array): Promise<Encrypted> {
    if (plaintext.length === 0) {
      throw new KleidiError("request-invalid", "Cannot encrypt: the plaintext is empty");
    }
    if (plaintext.length > MAX_PLAINTEXT) {
      throw new KleidiError(
        "request-too-large/plaintext",
        `Cannot encrypt: the plaintext is ${plaintext.length} bytes, at most ${MAX_PLAINTEXT} are allowed`,
      );
    }
    await this.#waitForProbes([this.#keyset.active.key]);
    const target = this.#keyset.encryptWith();
    const sealed = await this.#withProbeOnFailure(target.key, () => seal(target, plaintext));
    return {
      ciphertext: sealed.ciphertext,
      keyId: target.keyId,
      annotations: withFormat(sealed.annotations),
    };
  }

  /**
   * Decrypts with the key that has the key_id.
   * @returns the plaintext, 1 to MAX_PLAINTEXT bytes
   * @throws KleidiError request-invalid, key-unknown, key-not-ready, ciphertext-invalid, annotations-invalid; the provider's failure
   */
  async decrypt({ ciphertext, keyId, annotations }: DecryptInput): Promise<Uint8Array> {
    const wanted = parseKeyId(keyId);
    // Any key that is not probed yet could have this key_id.
    if (!this.#keyset.hasKeyId(wanted)) await this.#waitForProbes(this.#keyset.keys);
    const target = this.#keyset.decryptWith(wanted);
    if (ciphertext.length === 0 || ciphertext.length > MAX_CIPHERTEXT) {
      throw new KleidiError(
        "ciphertext-invalid/length",
        `Cannot decrypt: the ciphertext is ${ciphertext.length} bytes, 1 to ${MAX_CIPHERTEXT} are allowed`,
      );
    }
    const sealed = { ciphertext, annotations: withoutFormat(annotations) };
    return await this.#withProbeOnFailure(target.key, () => open(target, sealed));
  }

  /** Resolves when the first probe of each key has ended, and after FIRST_PROBE_MS at the latest. */
  async #waitForProbes(keys: readonly KeyConfig[]): Promise<void> {
    const waits = keys.flatMap((key) => this.#prober.firstProbe(key) ?? []);
    if (waits.length === 0) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FIRST_PROBE_MS);
    await Promise.race([Promise.all(waits), late]);
    clearTimeout(timer);
  }

  /** Runs work with a key. A failure that the caller did not cause starts a probe of the key. */
  async #withProbeOnFailure<T>(key: KeyConfig, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = toKleidiError(error, `use key "${key.name}"`);
      if (failure.code !== "ciphertext-invalid" && failure.code !== "overloaded") this.#prober.probeNow(key);
      throw failure;
    }
  }
}
