/**
 * How long a provider's process that ends by itself is put up with: the first end costs nothing, later ones ever longer pauses,
 * and a series of them, or a single sign that the process was taken over, quarantine. Pure: time is handed in.
 */
import { backOffMs } from "../lib/back-off.ts";

export interface PatienceOptions {
  readonly firstBackoffMs: number;
  readonly lastBackoffMs: number;
  /** A process that lived this long is no part of a series. */
  readonly goodLifeMs: number;
  /** Ends in a series until quarantine. */
  readonly failures: number;
  readonly firstQuarantineMs: number;
  readonly lastQuarantineMs: number;
}

export const PATIENCE: PatienceOptions = {
  firstBackoffMs: 100,
  lastBackoffMs: 10_000,
  goodLifeMs: 30_000,
  failures: 10,
  firstQuarantineMs: 5 * 60_000,
  lastQuarantineMs: 60 * 60_000,
};

export type Next =
  | { readonly what: "start"; readonly inMs: number }
  | { readonly what: "quarantine"; readonly forMs: number };

export class Patience {
  readonly #options: PatienceOptions;
  #failures = 0;
  #quarantines = 0;

  constructor(options: Partial<PatienceOptions> = {}) {
    this.#options = { ...PATIENCE, ...options };
  }

  /** Ends in the series that goes on. */
  get failures(): number {
    return this.#failures;
  }

  /** What to do now that a process ended which nobody asked to end. */
  ended(lifeMs: number): Next {
    const { goodLifeMs, failures, firstBackoffMs, lastBackoffMs } = this.#options;
    if (lifeMs >= goodLifeMs) {
      this.#failures = 0;
      this.#quarantines = 0;
    }
    this.#failures += 1;
    // After a quarantine there is one try, not another series.
    if (this.#failures >= failures || this.#quarantines > 0) return this.#quarantine();
    // The first one is replaced at once: the standby serves, and a standby should be there again.
    const pauses = { firstMs: firstBackoffMs, longestMs: lastBackoffMs };
    const inMs = this.#failures === 1 ? 0 : backOffMs(pauses, this.#failures - 1);
    return { what: "start", inMs };
  }

  #quarantine(): Next {
    const { firstQuarantineMs, lastQuarantineMs } = this.#options;
    this.#quarantines += 1;
    const forMs = backOffMs({ firstMs: firstQuarantineMs, longestMs: lastQuarantineMs }, this.#quarantines);
    return { what: "quarantine", forMs };
  }
}
