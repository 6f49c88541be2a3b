/**
 * Probes each key in the background, so that Status never waits for a KMS. A probe of the active key also encrypts once: a key that
 * reports a healthy status and cannot encrypt has failed. A look reads the key's version only.
 */
import { KleidiError, toKleidiError } from "../error.ts";
import { checkStatusReply } from "./check-reply.ts";
import { Compositions } from "./compositions.ts";
import type { KeyListener } from "./key-change.ts";
import type { KeyConfig, Keyset, SimpleKey } from "./keyset.ts";
import { isOutOfReach } from "./outage.ts";
import { ProbeLoop } from "./probe-loop.ts";
import type { KeyVersions } from "./provider.ts";
import { seal } from "./seal.ts";
import { VersionStabilizer } from "./version-stabilizer.ts";

/** True for the active key and, if it is composed, for its members. */
function isUsed({ keys }: Keyset, key: SimpleKey): boolean {
  return keys.some((each) => each.use === "active" && (each === key || each.members?.includes(key)));
}

export interface ProberOptions extends KeyListener {
  /** Milliseconds between the end of a successful probe and the start of the next one. */
  readonly intervalMs: number;
  /** Consecutive probes that must report a new version before it is adopted; default 1. */
  readonly stableProbes?: number;
  /** True for a key whose KMS other programs can rotate: its version is also read between two probes. Default: none. */
  readonly mayRotate?: (key: SimpleKey) => boolean;
  /** Runs work outside the async context of an RPC: a probe that an RPC requested does not belong to that RPC. */
  readonly outside?: <T>(work: () => T) => T;
}

/**
 * A key that worked is not failed before its KMS was out of reach for this long: calls are repeated for 2.4 s, and a server that restarts
 * must not stop writes. A refusal by the KMS counts at once.
 */
const TOLERATED_MS = 3_000;
// Status fails when the last probe ended more than this many intervals ago: its result is too old.
const STALE_AFTER_INTERVALS = 6;

export class Prober {
  readonly #keyset: Keyset;
  readonly #options: ProberOptions;
  readonly #loops: ReadonlyMap<SimpleKey, ProbeLoop>;
  readonly #stabilizers: ReadonlyMap<SimpleKey, VersionStabilizer>;
  readonly #compositions: Compositions;
  /** Since when the KMS of a key is out of reach, on the clock of performance.now(). */
  readonly #outOfReachSince = new Map<SimpleKey, number>();
  /** Keys whose first probe has not ended. */
  readonly #unprobed: Map<SimpleKey, PromiseWithResolvers<void>>;

  /** @param former the prober of the keys before a reload */
  constructor(keyset: Keyset, options: ProberOptions, former?: Prober) {
    this.#keyset = keyset;
    this.#options = options;
    const stableProbes = options.stableProbes ?? 1;
    const keys = keyset.keys.filter((key) => key.members === undefined);
    this.#stabilizers = new Map(
      keys.map((key) => [key, new VersionStabilizer(stableProbes, former?.stabilizerOf(key))]),
    );
    this.#unprobed = new Map(keys.map((key) => [key, Promise.withResolvers<void>()]));
    this.#compositions = new Compositions(keyset, options);
    this.#loops = new Map(
      keys.map((key) => [
        key,
        new ProbeLoop({
          probe: (onlyLook) => this.#runProbe(key, onlyLook),
          isPending: () => this.#stabilizers.get(key)?.pending !== undefined,
          intervalMs: options.intervalMs,
          looks: isUsed(keyset, key) && this.#mayRotate(key),
        }),
      ]),
    );
  }

  /** Starts probing. Resolves when the first probe of every key has ended, with success or failure. */
  async start(): Promise<void> {
    this.#compositions.start();
    await Promise.all([...this.#loops.values()].map((loop) => loop.start()));
  }

  /** Stops probing, and resolves every promise of firstProbe. */
  stop(): void {
    for (const loop of this.#loops.values()) loop.stop();
    this.#compositions.stop();
    for (const { resolve } of this.#unprobed.values()) resolve();
  }

  /** @returns a promise that resolves when the key's first probe ends; undefined if it has ended */
  firstProbe(key: KeyConfig): Promise<void> | undefined {
    return key.members === undefined ? this.#unprobed.get(key)?.promise : this.#compositions.firstProbe(key);
  }

  /** @returns the stabilizer of the key of this name, if the same provider serves it */
  stabilizerOf({ name, provider }: SimpleKey): VersionStabilizer | undefined {
    for (const [key, stabilizer] of this.#stabilizers)
      if (key.name === name && key.provider === provider) return stabilizer;
    return undefined;
  }

  /** Starts a probe of this key now. Call it after an RPC failed on the key. */
  probeNow(key: SimpleKey): void {
    const { outside = (work) => work() } = this.#options;
    outside(() => this.#loops.get(key)?.runNow());
  }

  /**
   * Reads the versions of the keys that another host may have rotated. Callers share the looks: a key gets at most one a second.
   * @returns a promise that resolves when a look at each of them has ended that began after this call; undefined if there are none
   */
  lookForVersions(): Promise<unknown> | undefined {
    const { outside = (work) => work() } = this.#options;
    const looks = [...this.#loops].flatMap(([key, loop]) => {
      if (!this.#mayRotate(key)) return [];
      return outside(() => loop.look()) ?? [];
    });
    return looks.length === 0 ? undefined : Promise.all(looks);
  }

  /**
   * Probes every key now, and resolves when each key was probed after this call and none has a version that is neither adopted nor
   * rejected; after MAX_REFRESH_PROBES probes at the latest.
   */
  async refresh(): Promise<void> {
    await Promise.all([...this.#loops.values()].map((loop) => loop.refresh()));
  }

  /** @throws KleidiError key-not-ready if the last probe of the active key is too old */
  assertFresh(): void {
    const age = this.#ageMs(this.#keyset.active.key);
    const limit = this.#options.intervalMs * STALE_AFTER_INTERVALS;
    if (age > limit) {
      throw new KleidiError(
        "key-not-ready/stale",
        `Cannot answer Status: the active key's last probe ended ${Math.round(age)} ms ago, at most ${limit} ms are allowed`,
      );
    }
  }

  /** A pinned key fails with another version; it takes none. */
  #mayRotate(key: SimpleKey): boolean {
    return key.pin === undefined && (this.#options.mayRotate?.(key) ?? false);
  }

  /** The time since the last probe; of a composed key since the last one of the members that it needs. */
  #ageMs(key: KeyConfig): number {
    if (key.members === undefined) return this.#loops.get(key)?.ageMs() ?? 0;
    const ages = key.members.map((member) => this.#ageMs(member));
    return key.mode === "anyOf" ? Math.min(...ages) : Math.max(...ages);
  }

  async #runProbe(key: SimpleKey, onlyLook: boolean): Promise<boolean | undefined> {
    const good = await this.#probe(key, onlyLook);
    if (good !== undefined || this.#unprobed.has(key)) await this.#compositions.probed(key);
    this.#unprobed.get(key)?.resolve();
    this.#unprobed.delete(key);
    // A look that succeeds does not show that the key works.
    if (good !== true || !onlyLook)
      this.#options.onProbe?.(key, good === undefined ? "unknown" : good ? "good" : "failed");
    return good;
  }

  /**
   * @param onlyLook the version is read, and the key is used only if it has another one than before
   * @returns true if the key is healthy; undefined if the call queue was full, so that nothing is known
   */
  async #probe(key: SimpleKey, onlyLook: boolean): Promise<boolean | undefined> {
    const before = this.#keyset.stateOf(key);
    try {
      const versions = await this.#versionsOf(key, before.current?.version);
      const current = await this.#keyset.addVersions(key, versions);
      if (onlyLook && before.failure === undefined && before.current?.keyId === current.keyId) {
        this.#outOfReachSince.delete(key);
        return true;
      }
      if (key.use === "active") await seal(current, crypto.getRandomValues(new Uint8Array(32)));
      await this.#compositions.test(current);
      this.#keyset.markGood(current);
      this.#outOfReachSince.delete(key);
      if (before.failure !== undefined || before.current?.keyId !== current.keyId) {
        this.#options.onChange({ key, keyId: current.keyId });
      }
      return true;
    } catch (error) {
      const failure = toKleidiError(error, `probe key "${key.name}"`);
      // Callers filled the queue. The key may be healthy, and callers must not be able to stop writes this way.
      if (failure.code === "overloaded") return undefined;
      // What a former set knew of the key does not show that this one can use it.
      const worked = before.current !== undefined && !this.#unprobed.has(key);
      if (worked && this.#isTolerated(key, failure)) return false;
      this.#keyset.markFailed(key, failure);
      if (before.failure === undefined || reasonOf(before.failure) !== reasonOf(failure))
        this.#options.onChange({ key, failure });
      return false;
    }
  }

  /** True if the KMS of a key that worked has just gone out of reach. */
  #isTolerated(key: SimpleKey, failure: KleidiError): boolean {
    if (!isOutOfReach(failure)) return false;
    const now = performance.now();
    const since = this.#outOfReachSince.get(key) ?? now;
    this.#outOfReachSince.set(key, since);
    return now - since < TOLERATED_MS;
  }

  /** Asks the provider for the key's versions, and returns the versions to use. */
  async #versionsOf(key: SimpleKey, active: string | undefined): Promise<KeyVersions> {
    const stabilizer = this.#stabilizers.get(key);
    try {
      const reported = await key.provider.status(key.name);
      checkStatusReply(key.provider.name, reported);
      // A pinned key fails at once when the provider reports another version.
      if (key.pin !== undefined) return reported;
      const versions = stabilizer?.next(reported, active) ?? reported;
      if (stabilizer?.pending?.probes === 1)
        this.#options.onChange({ key, pendingVersion: reported.version });
      return versions;
    } catch (error) {
      stabilizer?.reset();
      throw error;
    }
  }
}

/** The number of nested causes to read; a chain of causes can be circular. */
const MAX_CAUSES = 8;

/** The messages of a failure and its causes: the message can stay the same while the cause changes. */
function reasonOf(error: unknown, depth = MAX_CAUSES): string {
  if (!(error instanceof Error)) return String(error);
  const own = `${error.name}: ${error.message}`;
  return error.cause === undefined || depth === 0 ? own : `${own} <- ${reasonOf(error.cause, depth - 1)}`;
}
