/** Growing pauses after failures. What is asked for in a pause fails at once with what failed last. */
import { CredentialRefused, Unreachable } from "../exchange.ts";
import type { Clock } from "./clock.ts";

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

export class Backoff {
  readonly #clock: Clock;
  #failures = 0;
  #until = Number.NEGATIVE_INFINITY;
  #last: Unreachable | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  failed(error: Unreachable): void {
    const longest = Math.min(FIRST_MS * 2 ** this.#failures, LONGEST_MS);
    this.#failures++;
    // Half of it is chance: hosts that failed together must not try again together.
    this.#until = this.#clock.now() + longest * (0.5 + 0.5 * this.#clock.random());
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
