/**
 * The configured keys with what is known of each: one encrypts, any number decrypt. Decrypt is routed by key_id, so that one
 * socket serves the keys of several KMSs. What is known comes from probes (prober.ts); the RPCs only read it.
 */
import { KleidiError } from "../error.ts";
import { deriveKeyId, type KeyId } from "./key-id.ts";
import type { KeyVersions, Provider } from "./provider.ts";

export interface KeyConfig {
  readonly name: string;
  readonly provider: Provider;
  readonly use: "active" | "decrypt";
  /** The version that the provider must report, where the operator pinned it. */
  readonly pin?: string | undefined;
}

/** One version of one key. */
export interface KeyVersion {
  readonly key: KeyConfig;
  readonly version: string;
  readonly keyId: KeyId;
}

/** What the last probe of a key saw. A key that failed keeps the versions that it had, so that Decrypt can go on trying. */
export interface KeyState {
  readonly key: KeyConfig;
  readonly current?: KeyVersion;
  readonly failure?: KleidiError;
}

const MAX_VERSIONS_SEEN = 1024;

export class Keyset {
  readonly keys: readonly KeyConfig[];
  readonly #states = new Map<string, KeyState>();
  readonly #routes = new Map<KeyId, KeyVersion>();
  readonly #retired = new Set<KeyId>();

  /** @param keys exactly one of them active; their names differ. */
  constructor(keys: readonly KeyConfig[]) {
    this.keys = keys;
    for (const key of keys) this.#states.set(key.name, { key });
  }

  get active(): KeyState {
    for (const state of this.#states.values()) if (state.key.use === "active") return state;
    throw new KleidiError("host-fault", "Cannot find the active key: the keyset has none");
  }

  states(): KeyState[] {
    return [...this.#states.values()];
  }

  /**
   * The version to encrypt with.
   * @throws KleidiError key-not-ready, or what the last probe failed with
   */
  encryptWith(): KeyVersion {
    const { key, current, failure } = this.active;
    if (failure !== undefined) throw failure;
    if (current === undefined) {
      throw new KleidiError(
        "key-not-ready",
        `Cannot use key "${key.name}": its first health probe is still running`,
      );
    }
    return current;
  }

  /** Whether a key is known to have this key_id. */
  knows(keyId: KeyId): boolean {
    return this.#routes.has(keyId);
  }

  /**
   * The version that wrote an object.
   * @throws KleidiError key-unknown; key-not-ready while a key that could have it has never answered
   */
  decryptWith(keyId: KeyId): KeyVersion {
    const route = this.#routes.get(keyId);
    if (route !== undefined) return route;
    const silent = this.states().filter(({ current }) => current === undefined);
    if (silent.length > 0) {
      const names = silent.map(({ key }) => `"${key.name}"`).join(", ");
      throw new KleidiError(
        "key-not-ready",
        `Cannot decrypt: no key that is ready has this key_id, and ${names} has never answered`,
      );
    }
    throw new KleidiError("key-unknown", `Cannot decrypt: none of ${this.keys.length} keys has this key_id`);
  }

  /**
   * Takes what a provider said of a key.
   * @throws KleidiError key-not-ready where a pin differs; provider-fault where a version came back, because objects written in
   * between would look current when they are not
   */
  async learn(key: KeyConfig, versions: KeyVersions): Promise<KeyVersion> {
    if (key.pin !== undefined && key.pin !== versions.version) {
      throw new KleidiError(
        "key-not-ready",
        `Cannot use key "${key.name}": its version is ${versions.version}, the configuration pins ${key.pin}`,
      );
    }
    const keyId = await deriveKeyId(key.name, versions.version);
    const before = this.#states.get(key.name)?.current;
    if (this.#retired.has(keyId)) {
      throw new KleidiError(
        "provider-fault",
        `Cannot use key "${key.name}": provider "${key.provider.name}" went back from version ${before?.version} to ${versions.version}`,
      );
    }
    const current = { key, version: versions.version, keyId };
    const routes: KeyVersion[] = [current];
    for (const version of versions.olderVersions) {
      routes.push({ key, version, keyId: await deriveKeyId(key.name, version) });
    }
    // Routes are never forgotten, so a provider that names ever new versions must not be able to fill the host with them.
    const known = [...this.#routes.values()].filter((route) => route.key === key).length;
    const named = known + routes.filter((route) => !this.#routes.has(route.keyId)).length;
    if (named > MAX_VERSIONS_SEEN) {
      throw new KleidiError(
        "provider-fault",
        `Cannot use key "${key.name}": provider "${key.provider.name}" has named ${named} versions since the start, at most ${MAX_VERSIONS_SEEN} are allowed`,
      );
    }
    for (const route of routes) this.#routes.set(route.keyId, route);
    return current;
  }

  /** The key was used as it should be. */
  markGood(current: KeyVersion): void {
    const before = this.#states.get(current.key.name)?.current;
    // Only now: a new version that never proved good wrote nothing, and going back from it is no harm.
    if (before !== undefined && before.keyId !== current.keyId) this.#retired.add(before.keyId);
    this.#states.set(current.key.name, { key: current.key, current });
  }

  markFailed(key: KeyConfig, failure: KleidiError): void {
    const current = this.#states.get(key.name)?.current;
    this.#states.set(key.name, current === undefined ? { key, failure } : { key, current, failure });
  }
}
