/**
 * Decides when to replace a provider's process that exited unexpectedly. The first exit is replaced at once, later ones after growing
 * delays, and a series of exits puts the provider in quarantine. Pure: the caller passes the times in.
 */
import { backOffMs } from "../lib/back-off.ts";

export interface RestartPolicyOptions {
  readonly firstBackoffMs: number;
  readonly lastBackoffMs: number;
  /** A process that lived at least this long ends a series. */
  readonly goodLifeMs: number;
  /** The number of exits in a series that leads to quarantine. */
  readonly failures: number;
  readonly firstQuarantineMs: number;
  readonly lastQuarantineMs: number;
}

export const DEFAULT_RESTART_POLICY: RestartPolicyOptions = {
  firstBackoffMs: 100,
  lastBackoffMs: 10_000,
  goodLifeMs: 30_000,
  failures: 10,
  firstQuarantineMs: 5 * 60_000,
  lastQuarantineMs: 60 * 60_000,
};

export type RestartDecision =
  | { readonly action: "start"; readonly inMs: number }
  | { readonly action: "quarantine"; readonly forMs: number };

export class RestartPolicy {
  readonly #options: RestartPolicyOptions;
  #failures = 0;
  #quarantines = 0;

  constructor(options: Partial<RestartPolicyOptions> = {}) {
    this.#options = { ...DEFAULT_RESTART_POLICY, ...options };
  }

  /** The number of exits in the current series. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Records an unexpected exit.
   * @param lifeMs how long the process lived, in milliseconds
   * @returns when to start the replacement, or how long to keep the provider in quarantine
   * @example new RestartPolicy().onExit(10) // { action: "start", inMs: 0 }
   */
  onExit(lifeMs: number): RestartDecision {
    const { goodLifeMs, failures, firstBackoffMs, lastBackoffMs } = this.#options;
    if (lifeMs >= goodLifeMs) {
      this.#failures = 0;
      this.#quarantines = 0;
    }
    this.#failures += 1;
    // After a quarantine there is one attempt, not another series.
    if (this.#failures >= failures || this.#quarantines > 0) return this.#quarantine();
    // The first one is replaced at once: its calls wait, or the standby process serves and there is none.
    const backOff = { firstMs: firstBackoffMs, longestMs: lastBackoffMs };
    const inMs = this.#failures === 1 ? 0 : backOffMs(backOff, this.#failures - 1);
    return { action: "start", inMs };
  }

  #quarantine(): RestartDecision {
    const { firstQuarantineMs, lastQuarantineMs } = this.#options;
    this.#quarantines += 1;
    const forMs = backOffMs({ firstMs: firstQuarantineMs, longestMs: lastQuarantineMs }, this.#quarantines);
    return { action: "quarantine", forMs };
  }
}
