/**
 * The configured keys with the state of each: one key encrypts, any number decrypt. Decrypt is routed by key_id, so that one
 * socket serves the keys of several KMSs. Probes (prober.ts) update the state; the RPCs only read it.
 */
import { KleidiError } from "../error.ts";
import type { ForeignName } from "../foreign.ts";
import { composedVersion, type Header, type Mode } from "./composed/header.ts";
import { foreignKeyIds } from "./foreign.ts";
import { deriveKeyId, type KeyId } from "./key-id.ts";
import type { KeyVersions, Provider } from "./provider.ts";
import { UnusableTable } from "./unusable.ts";

/** A key of a provider. */
export interface SimpleKey {
  readonly name: string;
  readonly provider: Provider;
  /** "member": it encrypts as a part of a composed key only. */
  readonly use: "active" | "decrypt" | "member";
  /** The version that the provider must report, if the operator pinned it. */
  readonly pin?: string | undefined;
  /** The format of another plugin, whose objects the key decrypts. Only with use "decrypt". */
  readonly foreign?: ForeignName | undefined;
  readonly members?: undefined;
}

/** A key that is composed of other keys (docs/formats.md). */
export interface ComposedKey {
  readonly name: string;
  readonly mode: Mode;
  /** 2 to MAX_MEMBERS. */
  readonly members: readonly SimpleKey[];
  readonly use: "active" | "decrypt";
  readonly provider?: undefined;
}

export type KeyConfig = SimpleKey | ComposedKey;

/** One version of one key. */
export interface SimpleVersion {
  readonly key: SimpleKey;
  readonly version: string;
  readonly keyId: KeyId;
  readonly members?: undefined;
}

/** The version of a composed key: its mode and the versions of the members that wrap. */
export interface ComposedVersion {
  readonly key: ComposedKey;
  readonly version: string;
  readonly keyId: KeyId;
  /** By key_id, ascending. */
  readonly members: readonly SimpleVersion[];
}

export type KeyVersion = SimpleVersion | ComposedVersion;

/** The result of a key's last probe. A failed key keeps its version, so that Decrypt can still try it. */
export interface KeyState<Version extends KeyVersion = KeyVersion> {
  readonly key: Version["key"];
  readonly current?: Version;
  readonly failure?: KleidiError;
}

/** @returns the names of the members that a composed key encrypts without; empty for another key, and before the first good probe */
export function leftOut({ key, current }: KeyState): string[] {
  if (key.members === undefined || current?.members === undefined) return [];
  const inUse = current.members.map((member) => member.key.name);
  return key.members.flatMap(({ name }) => (inUse.includes(name) ? [] : [name]));
}

/** @returns the provider of a key; of a composed key its mode and its members, such as "anyOf(vault-kek,tpm-kek)" */
export function providerText(key: KeyConfig): string {
  if (key.members === undefined) return key.provider.name;
  return `${key.mode}(${key.members.map(({ name }) => name).join(",")})`;
}

const MAX_VERSIONS = 1024;

export class Keyset {
  readonly keys: readonly KeyConfig[];
  /** The versions that the providers report as unusable. They have no route. */
  readonly unusable = new UnusableTable();
  readonly #states = new Map<string, KeyState>();
  readonly #routes = new Map<KeyId, SimpleVersion>();
  /** The key_ids of composed keys that were seen. They are derived from objects, so no list of them is needed to decrypt. */
  readonly #composed = new Map<KeyId, ComposedKey>();
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

  /** @returns the state of a key of a provider */
  stateOf(key: SimpleKey): KeyState<SimpleVersion> {
    return (this.#states.get(key.name) ?? { key }) as KeyState<SimpleVersion>;
  }

  /** @returns the key that has this key_id, if that is known */
  ownerOf(keyId: KeyId): KeyConfig | undefined {
    return this.#routes.get(keyId)?.key ?? this.#composed.get(keyId);
  }

  /** @returns the key_ids that the key decrypts, the current one first; of a composed key those that were seen */
  keyIds(key: KeyConfig): KeyId[] {
    const current = this.#states.get(key.name)?.current?.keyId;
    const owners = [
      ...this.#composed,
      ...[...this.#routes].map(([keyId, route]) => [keyId, route.key] as const),
    ];
    const all = owners.flatMap(([keyId, owner]) => (owner === key ? [keyId] : []));
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
  decryptWith(keyId: KeyId): SimpleVersion {
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
   * Finds the composed key of an object. The key_id of every combination of members follows from the object's header.
   * @throws KleidiError key-unknown
   */
  async composedWith(keyId: KeyId, header: Header): Promise<ComposedKey> {
    const version = await composedVersion(header);
    for (const key of this.keys) {
      if (key.members === undefined || (await deriveKeyId(key.name, version)) !== keyId) continue;
      this.#remember(keyId, key);
      return key;
    }
    throw new KleidiError(
      "key-unknown",
      "Cannot decrypt: no composed key of the configuration has this key_id and these members",
    );
  }

  /** Returns the version of a composed key with these members. Its parts were checked: it may come back after another one. */
  async compose(key: ComposedKey, members: readonly SimpleVersion[]): Promise<ComposedVersion> {
    const sorted = members.toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1));
    const version = await composedVersion({ mode: key.mode, keyIds: sorted.map(({ keyId }) => keyId) });
    const keyId = await deriveKeyId(key.name, version);
    this.#remember(keyId, key);
    return { key, version, keyId, members: sorted };
  }

  #remember(keyId: KeyId, key: ComposedKey): void {
    // The oldest one goes: whoever can write to etcd can make up any number of them.
    const [oldest] = this.#composed.keys();
    if (this.#composed.size >= MAX_VERSIONS && oldest !== undefined) this.#composed.delete(oldest);
    this.#composed.set(keyId, key);
  }

  /**
   * Adds the versions that a provider reported for a key to the routes of Decrypt. The version to encrypt with changes with markGood only.
   * @param versions a checked reply of Status
   * @returns the version to encrypt with, once it is marked good
   * @throws KleidiError key-not-ready if the version differs from the pin; provider-fault if it is a retired version, because objects that
   * were written in between would look current when they are not; provider-fault if the provider has reported too many versions
   */
  async addVersions(key: SimpleKey, versions: KeyVersions): Promise<SimpleVersion> {
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
    // Not for a composed key: its key_id names the wraps of an object, so an object never looks current when it is not.
    if (before !== undefined && before.keyId !== current.keyId && current.members === undefined)
      this.#retired.add(before.keyId);
    this.#states.set(current.key.name, { key: current.key, current });
  }

  #continue(former: Keyset): void {
    for (const key of this.keys) {
      const state = former.#states.get(key.name);
      // Another provider can be another KMS: its versions are read as at a start.
      if (key.members !== undefined || state === undefined || state.key.provider !== key.provider) continue;
      if (state.current !== undefined)
        this.#states.set(key.name, { key, current: { ...(state.current as SimpleVersion), key } });
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
  key: SimpleKey,
  { version, olderVersions, foreignKeyIds: reported }: KeyVersions,
): Promise<readonly [SimpleVersion, ...SimpleVersion[]]> {
  const { foreign } = key;
  if (foreign !== undefined) {
    const [newest, ...older] = foreignKeyIds({ ...key, foreign }, reported);
    return [{ key, version, keyId: newest }, ...older.map((keyId) => ({ key, version, keyId }))];
  }
  const routes: [SimpleVersion, ...SimpleVersion[]] = [
    { key, version, keyId: await deriveKeyId(key.name, version) },
  ];
  for (const older of olderVersions)
    routes.push({ key, version: older, keyId: await deriveKeyId(key.name, older) });
  return routes;
}
