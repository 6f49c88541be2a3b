/** Growing pauses after failures. What is asked for in a pause fails at once with what failed last. */
import { type BackOff, backOffMs, jitterMs } from "../../../lib/back-off.ts";
import { CredentialRefused, Unreachable } from "../exchange.ts";
import type { Clock } from "./clock.ts";

const PAUSES: BackOff = { firstMs: 500, longestMs: 30_000 };
/** Half of it is chance. */
const JITTER = [0.5, 1] as const;

export class Backoff {
  readonly #clock: Clock;
  #failures = 0;
  #until = Number.NEGATIVE_INFINITY;
  #last: Unreachable | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  failed(error: Unreachable): void {
    this.#failures++;
    const pause = jitterMs(backOffMs(PAUSES, this.#failures), JITTER, this.#clock.random());
    this.#until = this.#clock.now() + pause;
    this.#last = error;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#until = Number.NEGATIVE_INFINITY;
  }

  get leftMs(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** Undefined where there is no pause. */
  refusal(): Unreachable | undefined {
    const left = this.leftMs;
    if (left === 0 || this.#last === undefined) return undefined;
    const Failure = this.#last instanceof CredentialRefused ? CredentialRefused : Unreachable;
    return new Failure(`${this.#last.message}; the next try is in ${Math.ceil(left / 100) / 10} s`);
  }
}
