/**
 * The three RPCs of KMS v2: check the request, choose the key, call its provider, check the reply. This file has no transport and
 * no I/O.
 */
import { type ErrorCode, KleidiError, toKleidiError } from "../error.ts";
import { formatOf, withFormat, withoutFormat } from "./annotations.ts";
import type { Header } from "./composed/header.ts";
import { COMPOSED_FORMAT } from "./composed/wrap.ts";
import { objectOf, openComposed, readComposed } from "./composed-open.ts";
import { sealComposed } from "./composed-seal.ts";
import { assertForeignObject } from "./foreign.ts";
import { isDerivable, type KeyId, parseKeyId } from "./key-id.ts";
import type { KeyConfig, Keyset, SimpleKey, SimpleVersion } from "./keyset.ts";
import { Latencies } from "./latencies.ts";
import { MAX_CIPHERTEXT, MAX_PLAINTEXT, RPC_DEADLINE_MS } from "./limits.ts";
import type { Perform } from "./members.ts";
import { Outage } from "./outage.ts";
import type { Prober } from "./prober.ts";
import type { Provider, Sealed } from "./provider.ts";
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
 * The part of an RPC's time that a wait for a first probe may take. An API server that finds the socket calls at once, and an error in the
 * first second fails its own first probe.
 */
const FIRST_PROBE_SHARE = 5 / 6;
/** The part that a Decrypt may wait for a look at the versions of the keys: the Decrypt itself needs some time, too. */
const VERSIONS_SHARE = 5 / 8;
/** In milliseconds. An RPC that found the KMS out of reach is not tried again when less is left: its last try needs some time, too. */
const LAST_TRY_MS = 100;

export class KmsService {
  readonly #keyset: Keyset;
  readonly #prober: Prober;
  readonly #outages = new Map<Provider, Outage>();
  readonly #latencies = new Latencies();

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

  /**
   * Waits for the first probe of the active key, then returns activeKeyId().
   * @param ms the time for it, in milliseconds
   */
  async status(ms = RPC_DEADLINE_MS): Promise<KeyId> {
    await this.#waitForProbes([this.#keyset.active.key], ms * FIRST_PROBE_SHARE);
    return this.activeKeyId();
  }

  /**
   * Encrypts with the active key.
   * @param plaintext 1 to MAX_PLAINTEXT bytes
   * @param ms the time for it, in milliseconds: the waits and repetitions end before
   * @throws KleidiError request-invalid, request-too-large, key-not-ready, read-back-failed; the provider's failure
   */
  async encrypt(plaintext: Uint8Array, ms = RPC_DEADLINE_MS): Promise<Encrypted> {
    if (plaintext.length === 0) {
      throw new KleidiError("request-invalid", "Cannot encrypt: the plaintext is empty");
    }
    if (plaintext.length > MAX_PLAINTEXT) {
      throw new KleidiError(
        "request-too-large/plaintext",
        `Cannot encrypt: the plaintext is ${plaintext.length} bytes, at most ${MAX_PLAINTEXT} are allowed`,
      );
    }
    const lastTryAt = performance.now() + ms - LAST_TRY_MS;
    await this.#waitForProbes([this.#keyset.active.key], ms * FIRST_PROBE_SHARE);
    const target = this.#keyset.encryptWith();
    if (target.members !== undefined) {
      const sealed = await sealComposed(target, plaintext, this.#performBefore(lastTryAt));
      return { ...sealed, keyId: target.keyId };
    }
    const sealed = await this.#perform(target.key, lastTryAt, () => seal(target, plaintext));
    return {
      ciphertext: sealed.ciphertext,
      keyId: target.keyId,
      annotations: withFormat(sealed.annotations),
    };
  }

  /**
   * Decrypts with the key that has the key_id.
   * @param ms the time for it, in milliseconds: the waits and repetitions end before
   * @returns the plaintext, 1 to MAX_PLAINTEXT bytes
   * @throws KleidiError request-invalid, key-unknown, key-not-ready, ciphertext-invalid, annotations-invalid; the provider's failure
   */
  async decrypt(input: DecryptInput, ms = RPC_DEADLINE_MS): Promise<Uint8Array> {
    const { ciphertext, keyId, annotations } = input;
    const lastTryAt = performance.now() + ms - LAST_TRY_MS;
    const wanted = parseKeyId(keyId);
    if (formatOf(annotations) === COMPOSED_FORMAT) return await this.#decryptComposed(input, wanted, ms);
    // Any key that is not probed yet could have this key_id.
    if (!this.#keyset.hasKeyId(wanted)) await this.#waitForProbes(this.#keyset.keys, ms * FIRST_PROBE_SHARE);
    if (!this.#keyset.hasKeyId(wanted)) await this.#waitForVersions(wanted, ciphertext, ms);
    const target = this.#routeOf(wanted, ciphertext);
    if (ciphertext.length === 0 || ciphertext.length > MAX_CIPHERTEXT) {
      throw new KleidiError(
        "ciphertext-invalid/length",
        `Cannot decrypt: the ciphertext is ${ciphertext.length} bytes, 1 to ${MAX_CIPHERTEXT} are allowed`,
      );
    }
    const sealed = { ciphertext, annotations: guestAnnotations(target, annotations) };
    return await this.#perform(target.key, lastTryAt, () => this.#open(target, sealed));
  }

  async #decryptComposed(
    { ciphertext, annotations }: DecryptInput,
    keyId: KeyId,
    ms: number,
  ): Promise<Uint8Array> {
    const lastTryAt = performance.now() + ms - LAST_TRY_MS;
    const content = readComposed(ciphertext);
    const key = await this.#keyset.composedWith(keyId, content.header);
    const object = objectOf(key, keyId, content, annotations);
    const until = performance.now() + ms * FIRST_PROBE_SHARE;
    // An anyOf key does not wait for a member that does not answer. The members of an earlier time are none of the key today.
    for (const keys of [[key], this.#keyset.keys])
      if (!this.#canOpen(content.header)) await this.#waitForProbes(keys, until - performance.now());
    if (!this.#canOpen(content.header)) await this.#waitForVersions(keyId, ciphertext, ms);
    const bad = new Set(this.#keyset.states().flatMap((state) => (state.failure ? [state.key.name] : [])));
    return await openComposed(object, {
      perform: this.#performBefore(lastTryAt),
      route: (each) => this.#keyset.decryptWith(each),
      rank: ({ name, provider }) => {
        const isDown = bad.has(name) || this.#outages.get(provider)?.isOpen === true;
        return this.#latencies.of(name) + (isDown ? RPC_DEADLINE_MS : 0);
      },
      patienceMs: ({ name }) => this.#latencies.patienceMs(name),
    });
  }

  #canOpen({ mode, keyIds }: Header): boolean {
    const known = keyIds.filter((each) => this.#keyset.hasKeyId(each)).length;
    return known >= (mode === "anyOf" ? 1 : keyIds.length);
  }

  /** Runs work with a member until `lastTryAt`, and notes how long an answer takes. */
  #performBefore(lastTryAt: number): Perform {
    return (key, work) => this.#perform(key, lastTryAt, () => this.#latencies.measured(key.name, work));
  }

  /** Resolves when the first probe of each key has ended, and after this time at the latest. */
  async #waitForProbes(keys: readonly KeyConfig[], ms: number): Promise<void> {
    const waits = keys.flatMap((key) => this.#prober.firstProbe(key) ?? []);
    if (waits.length > 0) await within(Math.max(0, ms), Promise.all(waits));
  }

  /** Another host may just have rotated a key: resolves when its versions have been read again, and after a part of `ms` at the latest. */
  async #waitForVersions(keyId: KeyId, ciphertext: Uint8Array, ms: number): Promise<void> {
    if (!isDerivable(keyId) || this.#keyset.unusable.explain(ciphertext) !== undefined) return;
    const looks = this.#prober.lookForVersions();
    if (looks !== undefined) await within(ms * VERSIONS_SHARE, looks);
  }

  #routeOf(keyId: KeyId, ciphertext: Uint8Array): SimpleVersion {
    try {
      return this.#keyset.decryptWith(keyId);
    } catch (error) {
      throw (isFailure(error, "key-unknown") && this.#keyset.unusable.explain(ciphertext)) || error;
    }
  }

  /** Decrypts. An unusable version has the same failure here as after a restart, when no key has its key_id. */
  async #open(target: SimpleVersion, sealed: Sealed): Promise<Uint8Array> {
    try {
      return await open(target, sealed);
    } catch (error) {
      const { unusable } = this.#keyset;
      throw (
        (isFailure(error, "key-not-ready") && unusable.explain(sealed.ciphertext, target.key.name)) || error
      );
    }
  }

  /**
   * Runs work with a key; again until `lastTryAt`, while its KMS is out of reach. Encrypt and Decrypt are idempotent (docs/ABI.md,
   * section 1).
   */
  #perform<T>(key: SimpleKey, lastTryAt: number, work: () => Promise<T>): Promise<T> {
    const outage = this.#outages.get(key.provider) ?? new Outage();
    this.#outages.set(key.provider, outage);
    return outage.run(lastTryAt, () => this.#withProbeOnFailure(key, work));
  }

  /** Runs work with a key. A failure that the caller did not cause starts a probe of the key. */
  async #withProbeOnFailure<T>(key: SimpleKey, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = toKleidiError(error, `use key "${key.name}"`);
      if (failure.code !== "ciphertext-invalid" && failure.code !== "overloaded") this.#prober.probeNow(key);
      throw failure;
    }
  }
}

/** Waits for work, or for this many milliseconds. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.max(0, ms));
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** @throws KleidiError annotations-invalid; key-unknown if the key is a foreign one, and the object not of its format */
function guestAnnotations(
  { key, keyId }: SimpleVersion,
  annotations: DecryptInput["annotations"],
): Sealed["annotations"] {
  const { foreign } = key;
  if (foreign === undefined) return withoutFormat(annotations);
  assertForeignObject({ ...key, foreign }, keyId, annotations);
  return [];
}

function isFailure(error: unknown, code: ErrorCode): boolean {
  return error instanceof KleidiError && error.code === code;
}
