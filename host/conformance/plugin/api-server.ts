/**
 * A small API server: what kube-apiserver does with a KMS v2 plugin (k8s.io/apiserver 1.36, server/options/encryptionconfig and
 * encrypt/envelope/kmsv2), with a clock of its own. It asks Status at its start and then each minute, encrypts one seed under the key_id
 * that Status names, writes objects under that seed for three minutes after the last good Status, and keeps decrypted seeds for 24 hours.
 */
import { createHash, randomBytes } from "node:crypto";
import { NotGood } from "../not-good.ts";
import { type Plugin, SEED, type Sealed, type Stored } from "./plugin.ts";

export const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Writes go on for this long without a good Status. */
const WRITE_TTL_MS = 3 * MINUTE_MS;

interface WriteState extends Sealed {
  readonly expires: number;
}

export class ApiServer {
  readonly #plugin: Plugin;
  /** Decrypted seeds, by what identifies them. */
  readonly #seeds = new Map<string, { readonly seed: Uint8Array; readonly expires: number }>();
  #state: WriteState | undefined;
  #version: string | undefined;
  /** Milliseconds since its start. */
  #now = 0;
  /** Calls of Encrypt and Decrypt so far. */
  readonly calls = { encrypt: 0, decrypt: 0 };

  constructor(plugin: Plugin) {
    this.#plugin = plugin;
  }

  /** The key_id of its writes. */
  get keyId(): string | undefined {
    return this.#state?.keyId;
  }

  /** Lets its clock go on. */
  advance(ms: number): void {
    this.#now += ms;
  }

  /** Asks Status, and makes a new seed if the key_id is another one. @throws NotGood if the plugin counts as unhealthy */
  async poll(): Promise<void> {
    const { version, keyId } = await this.#plugin.status();
    this.#version ??= version;
    if (version !== this.#version)
      throw new NotGood(`Status gave the version ${version}, and ${this.#version} at first`);
    const expires = this.#now + WRITE_TTL_MS;
    if (this.#state?.keyId === keyId) this.#state = { ...this.#state, expires };
    else this.#state = { ...(await this.#newSeed(keyId)), expires };
  }

  /** @returns a stored object @throws NotGood if the write state has expired */
  write(): Stored & { readonly seed: Uint8Array } {
    const state = this.#state;
    if (state === undefined || state.expires < this.#now)
      throw new NotGood("a write found no seed: there was no good Status for three minutes");
    const { ciphertext, keyId, annotations, plaintext } = state;
    return { ciphertext, keyId, annotations, seed: plaintext };
  }

  /** @returns the seed of a stored object, from the cache or by Decrypt @throws NotGood */
  async read(stored: Stored): Promise<Uint8Array> {
    const name = cacheKey(stored);
    const cached = this.#seeds.get(name);
    if (cached !== undefined && cached.expires > this.#now) return cached.seed;
    this.calls.decrypt += 1;
    const answer = await this.#plugin.decrypt(stored);
    if (answer.kind === "error")
      throw new NotGood(`a read failed: Decrypt gave the error "${answer.details.slice(0, 200)}"`);
    const seed = answer.reply.plaintext;
    this.#seeds.set(name, { seed, expires: this.#now + DAY_MS });
    return seed;
  }

  async #newSeed(statusKeyId: string): Promise<Sealed> {
    this.calls.encrypt += 1;
    const sealed = await this.#plugin.seal(randomBytes(SEED));
    if (sealed.keyId !== statusKeyId)
      throw new NotGood("Encrypt gave another key_id than Status: the API server discards the seed");
    this.#seeds.set(cacheKey(sealed), { seed: sealed.plaintext, expires: this.#now + DAY_MS });
    return sealed;
  }
}

function cacheKey({ ciphertext, keyId, annotations }: Stored): string {
  const sorted = Object.keys(annotations).sort();
  const hash = createHash("sha256")
    .update(JSON.stringify([keyId, sorted]))
    .update(ciphertext);
  for (const name of sorted) hash.update(annotations[name] ?? "");
  return hash.digest("hex");
}
