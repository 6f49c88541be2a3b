/**
 * Asks each key's provider how it is, in the background, so that Status never waits for a KMS. The active key is also used once
 * in each probe: a key that says it is well and cannot encrypt is not well.
 */
import { KleidiError, toKleidiError } from "../error.ts";
import { checkStatusReply } from "./check-reply.ts";
import type { KeyConfig, Keyset } from "./keyset.ts";
import type { KeyVersions } from "./provider.ts";
import { seal } from "./seal.ts";
import { Steady } from "./steady.ts";

export interface ProberOptions {
  /** Milliseconds between the end of a good probe and the next one. */
  readonly intervalMs: number;
  /** Probes in a row that must name a new version before it is written with; absent: 1. */
  readonly stableProbes?: number;
  /** Told of every change from good to failed and back, of every failure with another sentence or cause, and of every new version. */
  readonly onChange: (change: KeyChange) => void;
  /** Told of every probe's end. */
  readonly onProbe?: (key: KeyConfig, result: "good" | "failed" | "unknown") => void;
  /** Leaves the async context of an RPC: a probe that it asked for, and all that follow, are not a part of it. */
  readonly outside?: <T>(work: () => T) => T;
}

export interface KeyChange {
  readonly key: KeyConfig;
  readonly keyId?: string | undefined;
  readonly failure?: KleidiError | undefined;
  /** A version that was named for the first time, and is not written with yet. */
  readonly coming?: string | undefined;
}

// After a failure the next probe comes soon, then ever later, up to the interval.
const FIRST_RETRY_MS = 250;
// A probe that has not ended for this many intervals makes Status fail: what it would say is too old.
const STALE_AFTER_INTERVALS = 6;

export class Prober {
  readonly #keyset: Keyset;
  readonly #options: ProberOptions;
  readonly #loops: Loop[];
  readonly #steady: ReadonlyMap<KeyConfig, Steady>;
  /** Keys whose first probe has not ended. */
  readonly #unprobed: Map<KeyConfig, PromiseWithResolvers<void>>;

  constructor(keyset: Keyset, options: ProberOptions) {
    this.#keyset = keyset;
    this.#options = options;
    this.#steady = new Map(keyset.keys.map((key) => [key, new Steady(options.stableProbes ?? 1)]));
    this.#unprobed = new Map(keyset.keys.map((key) => [key, Promise.withResolvers<void>()]));
    this.#loops = keyset.keys.map((key) => new Loop(() => this.#probed(key), options.intervalMs));
  }

  /** Begins; resolves when every key was probed once, well or not. */
  async start(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.start()));
  }

  /** Whoever waits for a first probe waits no longer. */
  stop(): void {
    for (const loop of this.#loops) loop.stop();
    for (const { resolve } of this.#unprobed.values()) resolve();
  }

  /** Resolves when the first probe of a key has ended, well or not; undefined: it has. */
  firstProbe(key: KeyConfig): Promise<void> | undefined {
    return this.#unprobed.get(key)?.promise;
  }

  /** An RPC failed on this key: look again now instead of at the interval's end. */
  soon(key: KeyConfig): void {
    const { outside = (work) => work() } = this.#options;
    outside(() => this.#loops[this.#keyset.keys.indexOf(key)]?.soon());
  }

  /** @throws KleidiError key-not-ready when the active key's last answer is too old to be repeated */
  assertFresh(): void {
    const loop = this.#loops[this.#keyset.keys.findIndex(({ use }) => use === "active")];
    const age = loop === undefined ? 0 : loop.ageMs();
    const limit = this.#options.intervalMs * STALE_AFTER_INTERVALS;
    if (age > limit) {
      throw new KleidiError(
        "key-not-ready",
        `Cannot answer Status: the active key's last probe ended ${Math.round(age)} ms ago, at most ${limit} are allowed`,
      );
    }
  }

  async #probed(key: KeyConfig): Promise<boolean | undefined> {
    const good = await this.#probe(key);
    this.#unprobed.get(key)?.resolve();
    this.#unprobed.delete(key);
    this.#options.onProbe?.(key, good === undefined ? "unknown" : good ? "good" : "failed");
    return good;
  }

  /** True when the key is well; undefined when the probe found nothing out. */
  async #probe(key: KeyConfig): Promise<boolean | undefined> {
    const before = this.#keyset.states().find((state) => state.key === key);
    try {
      const current = await this.#keyset.learn(key, await this.#ask(key, before?.current?.version));
      if (key.use === "active") await seal(current, crypto.getRandomValues(new Uint8Array(32)));
      this.#keyset.markGood(current);
      if (before?.failure !== undefined || before?.current?.keyId !== current.keyId) {
        this.#options.onChange({ key, keyId: current.keyId });
      }
      return true;
    } catch (error) {
      const failure = toKleidiError(error, `probe key "${key.name}"`);
      // Callers filled the queue: that says nothing of the key, and must not be a way to stop writes.
      if (failure.code === "overloaded") return undefined;
      this.#keyset.markFailed(key, failure);
      if (before?.failure === undefined || reasonOf(before.failure) !== reasonOf(failure))
        this.#options.onChange({ key, failure });
      return false;
    }
  }

  /** What the provider says of the key's versions, as far as it is steady. */
  async #ask(key: KeyConfig, current: string | undefined): Promise<KeyVersions> {
    const steady = this.#steady.get(key);
    try {
      const named = await key.provider.status(key.name);
      checkStatusReply(key.provider.name, named);
      // A pin is the operator's word: another version fails at once.
      const versions = key.pin === undefined ? (steady?.take(named, current) ?? named) : named;
      if (steady?.coming?.seen === 1) this.#options.onChange({ key, coming: named.version });
      return versions;
    } catch (error) {
      steady?.forget();
      throw error;
    }
  }
}

/** As deep as causes are looked at; they may go round. */
const DEPTH = 8;

/** All that a failure says, down to its first cause: a sentence may stay the same while the reason becomes another one. */
function reasonOf(error: unknown, depth = DEPTH): string {
  if (!(error instanceof Error)) return String(error);
  const own = `${error.name}: ${error.message}`;
  return error.cause === undefined || depth === 0 ? own : `${own} <- ${reasonOf(error.cause, depth - 1)}`;
}

/** Runs a probe again and again, never twice at once. */
class Loop {
  readonly #probe: () => Promise<boolean | undefined>;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #again = false;
  #stopped = false;
  #failures = 0;
  #endedAt = performance.now();

  constructor(probe: () => Promise<boolean | undefined>, intervalMs: number) {
    this.#probe = probe;
    this.#intervalMs = intervalMs;
  }

  async start(): Promise<void> {
    await this.#run();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  soon(): void {
    // A key that is known to fail is looked at by its own back-off; a caller in a loop must not turn it into a flood.
    if (this.#failures > 0 || this.#stopped) return;
    if (this.#running) this.#again = true;
    else void this.#run();
  }

  ageMs(): number {
    return performance.now() - this.#endedAt;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#running = true;
    const good = await this.#probe();
    this.#running = false;
    if (good !== undefined) this.#endedAt = performance.now();
    this.#failures = good ? 0 : this.#failures + 1;
    if (this.#stopped) return;
    const delay = good
      ? this.#intervalMs
      : Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), this.#intervalMs);
    // Jitter: the keys of one host, and the hosts of one cluster, should not ask at the same moment.
    this.#timer = setTimeout(() => void this.#run(), this.#again ? 0 : delay * (0.9 + 0.2 * Math.random()));
    this.#again = false;
  }
}
