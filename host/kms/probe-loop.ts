/**
 * When one key is probed: at intervals, with growing pauses after failures, and on demand; at most one probe runs at a time. Between two
 * probes are looks, which read the key's version and cost the KMS one request.
 */
import { backOffMs, jitterMs } from "../lib/back-off.ts";

export interface ProbeLoopOptions {
  /** @returns true if the key is healthy; undefined if nothing is known */
  readonly probe: (onlyLook: boolean) => Promise<boolean | undefined>;
  /** True if a new version waits for further probes. */
  readonly isPending: () => boolean;
  /** Milliseconds between two probes. */
  readonly intervalMs: number;
  /** True: the version is also read between two probes. */
  readonly looks: boolean;
}

/** The longest delay after a failure is the interval. */
const FIRST_RETRY_MS = 250;
/**
 * The longest delay to the next look while a new version is pending. It is longer than a write of a KMS takes to reach a replica, and the
 * look that adopts the version encrypts and decrypts with it.
 */
const PENDING_MS = 750;
/**
 * Looks are this long apart, but at most MAX_LOOKS are in one interval: an operator who chose a long one wants few requests. With the
 * default interval of 10 s, three looks find and confirm a new version within 2.5 s + 2 × 0.75 s, and the jitter.
 */
const LOOK_MS = 2_500;
const MAX_LOOKS = 4;
/** Callers can ask for looks: the shortest time between the starts of two. */
const ASKED_MS = 1_000;
/** A KMS whose versions never settle. */
const MAX_REFRESH_PROBES = 12;
/** The keys of one host, and the hosts of one cluster, should not probe at the same moment. */
const JITTER = [0.9, 1.1] as const;

export class ProbeLoop {
  readonly #options: ProbeLoopOptions;
  /** Milliseconds to the next look or probe. */
  readonly #stepMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Settled at the end of the running probe, or of the next one. */
  #end = Promise.withResolvers<void>();
  /** Settled at the end of a look that has not begun. */
  #asked: PromiseWithResolvers<void> | undefined;
  #running = false;
  #again = false;
  #stopped = false;
  #failures = 0;
  #startedAt = performance.now();
  /** The end of the last probe that was more than a look. */
  #endedAt = performance.now();

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
    const { intervalMs, looks } = options;
    const steps = looks ? Math.floor(intervalMs / LOOK_MS) : 1;
    this.#stepMs = intervalMs / Math.min(MAX_LOOKS, Math.max(1, steps));
  }

  async start(): Promise<void> {
    await this.#run(false);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#end.resolve();
    this.#asked?.resolve();
  }

  runNow(): void {
    // A failed key is probed with back-off; a caller in a loop must not turn that into a flood.
    if (this.#failures > 0) return;
    this.#startNow();
  }

  /**
   * Has the version read soon: now, or ASKED_MS after the last time.
   * @returns a promise of the end of the look; undefined if the key has failed, because it is probed with back-off
   */
  look(): Promise<void> | undefined {
    if (this.#failures > 0 || this.#stopped) return undefined;
    if (this.#asked === undefined) {
      this.#asked = Promise.withResolvers();
      if (!this.#running) this.#plan(this.#askedInMs());
    }
    return this.#asked.promise;
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
    else void this.#run(false);
  }

  async #run(onlyLook: boolean): Promise<void> {
    clearTimeout(this.#timer);
    this.#running = true;
    this.#startedAt = performance.now();
    const asked = this.#asked;
    this.#asked = undefined;
    const good = await this.#options.probe(onlyLook);
    this.#running = false;
    if (good !== undefined && !onlyLook) this.#endedAt = performance.now();
    this.#failures = good ? 0 : this.#failures + 1;
    const { resolve } = this.#end;
    this.#end = Promise.withResolvers();
    resolve();
    asked?.resolve();
    if (this.#stopped) return this.stop();
    this.#planNext();
  }

  #planNext(): void {
    if (this.#again) {
      this.#again = false;
      this.#timer = setTimeout(() => void this.#run(false), 0);
    } else if (this.#failures === 0 && this.#asked !== undefined) this.#plan(this.#askedInMs());
    else {
      this.#asked?.resolve();
      this.#asked = undefined;
      this.#plan(this.#delayMs());
    }
  }

  #plan(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(!this.#isProbeDue()), ms);
  }

  /** A failed key is probed; otherwise a probe is due if the next step would come after the interval. */
  #isProbeDue(): boolean {
    return this.#failures > 0 || this.ageMs() + this.#stepMs / 2 >= this.#options.intervalMs;
  }

  #askedInMs(): number {
    return Math.max(0, this.#startedAt + ASKED_MS - performance.now());
  }

  #delayMs(): number {
    const { intervalMs, isPending } = this.#options;
    const backOff = { firstMs: FIRST_RETRY_MS, longestMs: intervalMs };
    const regular = isPending() ? Math.min(PENDING_MS, this.#stepMs) : this.#stepMs;
    const delay = this.#failures === 0 ? regular : backOffMs(backOff, this.#failures);
    return jitterMs(delay, JITTER, Math.random());
  }
}
