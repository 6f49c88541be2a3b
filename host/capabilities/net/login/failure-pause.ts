/** Growing pauses after failures. During a pause, requests fail at once with the last failure. */
import { type BackOff, backOffMs, jitterMs } from "../../../lib/back-off.ts";
import { CredentialRefused, Unreachable } from "../exchange.ts";
import type { Clock } from "./clock.ts";

/** A server that restarts is back in a second, and calls wait for it. One that refused a secret may count the refusals. */
const UNREACHABLE: BackOff = { firstMs: 100, longestMs: 30_000 };
const REFUSED: BackOff = { firstMs: 500, longestMs: 30_000 };
/** A random half to full pause. */
const JITTER = [0.5, 1] as const;

export class FailurePause {
  readonly #clock: Clock;
  #failures = 0;
  #until = Number.NEGATIVE_INFINITY;
  #last: Unreachable | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  recordFailure(error: Unreachable): void {
    this.#failures++;
    const pauses = error instanceof CredentialRefused ? REFUSED : UNREACHABLE;
    const pause = jitterMs(backOffMs(pauses, this.#failures), JITTER, this.#clock.random());
    this.#until = this.#clock.now() + pause;
    this.#last = error;
  }

  reset(): void {
    this.#failures = 0;
    this.#until = Number.NEGATIVE_INFINITY;
  }

  get leftMs(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** The error for a request during a pause; undefined if there is no pause. */
  currentFailure(): Unreachable | undefined {
    const left = this.leftMs;
    if (left === 0 || this.#last === undefined) return undefined;
    const message = `${this.#last.message}; the next try is in ${Math.ceil(left / 100) / 10} s`;
    return this.#last instanceof CredentialRefused
      ? new CredentialRefused(message)
      : new Unreachable(message, this.#last.step);
  }
}
