/**
 * Probes each key in the background, so that Status never waits for a KMS. A probe of the active key also encrypts once: a key that
 * reports a healthy status and cannot encrypt has failed.
 */
import { KleidiError, toKleidiError } from "../error.ts";
import { backOffMs, jitterMs } from "../lib/back-off.ts";
import { checkStatusReply } from "./check-reply.ts";
import { Compositions } from "./compositions.ts";
import type { KeyListener } from "./key-change.ts";
import type { KeyConfig, Keyset, SimpleKey } from "./keyset.ts";
import { isOutOfReach } from "./outage.ts";
import type { KeyVersions } from "./provider.ts";
import { seal } from "./seal.ts";
import { VersionStabilizer } from "./version-stabilizer.ts";

export interface ProberOptions extends KeyListener {
  /** Milliseconds between the end of a successful probe and the start of the next one. */
  readonly intervalMs: number;
  /** Consecutive probes that must report a new version before it is adopted; default 1. */
  readonly stableProbes?: number;
  /** Runs work outside the async context of an RPC: a probe that an RPC requested does not belong to that RPC. */
  readonly outside?: <T>(work: () => T) => T;
}

/** The longest delay after a failure is the interval. */
const FIRST_RETRY_MS = 250;
/**
 * The longest delay to the next probe while a new version is pending: three probes take 3 s. It is longer than a write of a KMS takes to
 * reach a replica, and still the probe that adopts the version encrypts and decrypts with it.
 */
const PENDING_MS = 1_500;
/** A KMS whose versions never settle. */
const MAX_REFRESH_PROBES = 12;
/** The keys of one host, and the hosts of one cluster, should not probe at the same moment. */
const JITTER = [0.9, 1.1] as const;
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
          probe: () => this.#runProbe(key),
          isPending: () => this.#stabilizers.get(key)?.pending !== undefined,
          intervalMs: options.intervalMs,
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

  /** The time since the last probe; of a composed key since the last one of the members that it needs. */
  #ageMs(key: KeyConfig): number {
    if (key.members === undefined) return this.#loops.get(key)?.ageMs() ?? 0;
    const ages = key.members.map((member) => this.#ageMs(member));
    return key.mode === "anyOf" ? Math.min(...ages) : Math.max(...ages);
  }

  async #runProbe(key: SimpleKey): Promise<boolean | undefined> {
    const good = await this.#probe(key);
    if (good !== undefined || this.#unprobed.has(key)) await this.#compositions.probed(key);
    this.#unprobed.get(key)?.resolve();
    this.#unprobed.delete(key);
    this.#options.onProbe?.(key, good === undefined ? "unknown" : good ? "good" : "failed");
    return good;
  }

  /** @returns true if the key is healthy; undefined if the call queue was full, so that nothing is known */
  async #probe(key: SimpleKey): Promise<boolean | undefined> {
    const before = this.#keyset.stateOf(key);
    try {
      const versions = await this.#versionsOf(key, before.current?.version);
      const current = await this.#keyset.addVersions(key, versions);
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
      if (before.current !== undefined && this.#isTolerated(key, failure)) return false;
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

interface ProbeLoopOptions {
  readonly probe: () => Promise<boolean | undefined>;
  /** True if a new version waits for further probes. */
  readonly isPending: () => boolean;
  readonly intervalMs: number;
}

/** Repeats a probe; at most one runs at a time. */
class ProbeLoop {
  readonly #options: ProbeLoopOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Settled at the end of the running probe, or of the next one. */
  #end = Promise.withResolvers<void>();
  #running = false;
  #again = false;
  #stopped = false;
  #failures = 0;
  #endedAt = performance.now();

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#run();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#end.resolve();
  }

  runNow(): void {
    // A failed key is probed with back-off; a caller in a loop must not turn that into a flood.
    if (this.#failures > 0) return;
    this.#startNow();
  }

  async refresh(): Promise<void> {
    // A probe that runs may have read the key's version before this call.
    const last = this.#running ? this.#end.promise : undefined;
    this.#startNow();
    await last;
    for (let probes = 0; probes < MAX_REFRESH_PROBES && !this.#stopped; probes++) {
      await this.#end.promise;
      if (!this.#options.isPending()) return;
    }
  }

  ageMs(): number {
    return performance.now() - this.#endedAt;
  }

  #startNow(): void {
    if (this.#stopped) return;
    if (this.#running) this.#again = true;
    else void this.#run();
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#running = true;
    const good = await this.#options.probe();
    this.#running = false;
    if (good !== undefined) this.#endedAt = performance.now();
    this.#failures = good ? 0 : this.#failures + 1;
    const { resolve } = this.#end;
    this.#end = Promise.withResolvers();
    resolve();
    if (this.#stopped) return this.#end.resolve();
    this.#timer = setTimeout(() => void this.#run(), this.#again ? 0 : this.#delayMs());
    this.#again = false;
  }

  #delayMs(): number {
    const { intervalMs, isPending } = this.#options;
    const backOff = { firstMs: FIRST_RETRY_MS, longestMs: intervalMs };
    const regular = isPending() ? Math.min(PENDING_MS, intervalMs) : intervalMs;
    const delay = this.#failures === 0 ? regular : backOffMs(backOff, this.#failures);
    return jitterMs(delay, JITTER, Math.random());
  }
}
