/**
 * The configured keys with the state of each: one key encrypts, any number decrypt. Decrypt is routed by key_id, so that one
 * socket serves the keys of several KMSs. Probes (prober.ts) update the state; the RPCs only read it.
 */
import { KleidiError } from "../error.ts";
import type { ForeignName } from "../foreign.ts";
import { foreignKeyIds } from "./foreign.ts";
import { deriveKeyId, type KeyId } from "./key-id.ts";
import type { KeyVersions, Provider } from "./provider.ts";
import { UnusableTable } from "./unusable.ts";

export interface KeyConfig {
  readonly name: string;
  readonly provider: Provider;
  readonly use: "active" | "decrypt";
  /** The version that the provider must report, if the operator pinned it. */
  readonly pin?: string | undefined;
  /** The format of another plugin, whose objects the key decrypts. Only with use "decrypt". */
  readonly foreign?: ForeignName | undefined;
}

/** One version of one key. */
export interface KeyVersion {
  readonly key: KeyConfig;
  readonly version: string;
  readonly keyId: KeyId;
}

/** The result of a key's last probe. A failed key keeps its version, so that Decrypt can still try it. */
export interface KeyState {
  readonly key: KeyConfig;
  readonly current?: KeyVersion;
  readonly failure?: KleidiError;
}

const MAX_VERSIONS = 1024;

export class Keyset {
  readonly keys: readonly KeyConfig[];
  /** The versions that the providers report as unusable. They have no route. */
  readonly unusable = new UnusableTable();
  readonly #states = new Map<string, KeyState>();
  readonly #routes = new Map<KeyId, KeyVersion>();
  readonly #retired = new Set<KeyId>();

  /**
   * @param keys exactly one with use "active"; each with a different name
   * @param former the keys before a reload: those of the same provider keep their versions, and no version of theirs comes back
   */
  constructor(keys: readonly KeyConfig[], former?: Keyset) {
    this.keys = keys;
    for (const key of keys) this.#states.set(key.name, { key });
    if (former !== undefined) this.#continue(former);
  }

  get active(): KeyState {
    for (const state of this.#states.values()) if (state.key.use === "active") return state;
    throw new KleidiError("host-fault", "Cannot find the active key: the keyset has none");
  }

  states(): KeyState[] {
    return [...this.#states.values()];
  }

  /**
   * Returns the version to encrypt with.
   * @throws KleidiError key-not-ready before the first probe has ended; the failure of the last probe
   */
  encryptWith(): KeyVersion {
    const { key, current, failure } = this.active;
    if (failure !== undefined) throw failure;
    if (current === undefined) {
      throw new KleidiError(
        "key-not-ready/starting",
        `Cannot use key "${key.name}": its first health probe is still running`,
      );
    }
    return current;
  }

  /** @returns the key_ids that the key decrypts, the current one first */
  keyIds(key: KeyConfig): KeyId[] {
    const current = this.#states.get(key.name)?.current?.keyId;
    const all = [...this.#routes.values()].filter((route) => route.key === key).map(({ keyId }) => keyId);
    return [...all.filter((keyId) => keyId === current), ...all.filter((keyId) => keyId !== current)];
  }

  /** @returns true if a key reported the version of this key_id */
  hasKeyId(keyId: KeyId): boolean {
    return this.#routes.has(keyId);
  }

  /**
   * Returns the version that encrypted an object.
   * @throws KleidiError key-unknown; key-not-ready while a key that could have this key_id has not answered yet
   */
  decryptWith(keyId: KeyId): KeyVersion {
    const route = this.#routes.get(keyId);
    if (route !== undefined) return route;
    const unanswered = this.states().filter(({ current }) => current === undefined);
    if (unanswered.length > 0) {
      const names = unanswered.map(({ key }) => `"${key.name}"`).join(", ");
      throw new KleidiError(
        "key-not-ready/unanswered",
        `Cannot decrypt: no ready key has this key_id; not answered yet: ${names}`,
      );
    }
    throw new KleidiError(
      "key-unknown",
      `Cannot decrypt: none of the ${this.keys.length} configured keys has this key_id`,
    );
  }

  /**
   * Adds the versions that a provider reported for a key to the routes of Decrypt. The version to encrypt with changes with markGood only.
   * @param versions a checked reply of Status
   * @returns the version to encrypt with, once it is marked good
   * @throws KleidiError key-not-ready if the version differs from the pin; provider-fault if it is a retired version, because objects that
   * were written in between would look current when they are not; provider-fault if the provider has reported too many versions
   */
  async addVersions(key: KeyConfig, versions: KeyVersions): Promise<KeyVersion> {
    if (key.pin !== undefined && key.pin !== versions.version) {
      throw new KleidiError(
        "key-not-ready/pinned",
        `Cannot use key "${key.name}": its version is ${versions.version}, the configuration pins ${key.pin}`,
      );
    }
    const routes = await routesOf(key, versions);
    const [current] = routes;
    const { keyId } = current;
    const before = this.#states.get(key.name)?.current;
    if (this.#retired.has(keyId)) {
      throw new KleidiError(
        "provider-fault/reverted",
        `Cannot use key "${key.name}": provider "${key.provider.name}" reverted from version ${before?.version} to ${versions.version}`,
      );
    }
    // Routes are never removed. The limit keeps a provider that reports new versions forever from filling the host's memory.
    const known = [...this.#routes.values()].filter((route) => route.key === key).length;
    const reported = known + routes.filter((route) => !this.#routes.has(route.keyId)).length;
    if (reported > MAX_VERSIONS) {
      throw new KleidiError(
        "provider-fault/versions",
        `Cannot use key "${key.name}": provider "${key.provider.name}" has reported ${reported} versions since the host started, at most ${MAX_VERSIONS} are allowed`,
      );
    }
    for (const route of routes) this.#routes.set(route.keyId, route);
    this.unusable.set(key.name, versions.unusable);
    return current;
  }

  /** Records that the key works with this version, and clears its failure. */
  markGood(current: KeyVersion): void {
    const before = this.#states.get(current.key.name)?.current;
    // Retired here, not in addVersions: a new version that never worked encrypted nothing, so reverting from it is safe.
    if (before !== undefined && before.keyId !== current.keyId) this.#retired.add(before.keyId);
    this.#states.set(current.key.name, { key: current.key, current });
  }

  #continue(former: Keyset): void {
    for (const key of this.keys) {
      const state = former.#states.get(key.name);
      // Another provider can be another KMS: its versions are read as at a start.
      if (state === undefined || state.key.provider !== key.provider) continue;
      if (state.current !== undefined)
        this.#states.set(key.name, { key, current: { ...state.current, key } });
      this.unusable.copy(former.unusable, key.name);
      for (const route of former.#routes.values())
        if (route.key.name === key.name) this.#routes.set(route.keyId, { ...route, key });
    }
    for (const keyId of former.#retired) if (this.#routes.has(keyId)) this.#retired.add(keyId);
  }

  /** Records the failure of a probe. The key keeps its version. */
  markFailed(key: KeyConfig, failure: KleidiError): void {
    const current = this.#states.get(key.name)?.current;
    this.#states.set(key.name, current === undefined ? { key, failure } : { key, current, failure });
  }
}

/** @returns the version to encrypt with, then the older ones; of a foreign key one for each key_id of the other plugin */
async function routesOf(
  key: KeyConfig,
  { version, olderVersions, foreignKeyIds: reported }: KeyVersions,
): Promise<readonly [KeyVersion, ...KeyVersion[]]> {
  const { foreign } = key;
  if (foreign !== undefined) {
    const [newest, ...older] = foreignKeyIds({ ...key, foreign }, reported);
    return [{ key, version, keyId: newest }, ...older.map((keyId) => ({ key, version, keyId }))];
  }
  const routes: [KeyVersion, ...KeyVersion[]] = [
    { key, version, keyId: await deriveKeyId(key.name, version) },
  ];
  for (const older of olderVersions)
    routes.push({ key, version: older, keyId: await deriveKeyId(key.name, older) });
  return routes;
}
