/**
 * The time of AWS, for signatures: this machine's, until AWS refuses a signature for its time. Then the difference to the date of that
 * answer counts, if it is small: a signature for a far time could be used by others then.
 */
import type { Response } from "../../exchange.ts";
import type { Clock } from "../clock.ts";
import { dateIn } from "../service.ts";
import { refusalIn } from "./refusal.ts";

/** A larger difference is not believed. */
const MOST_MS = 3_600_000;
/** A smaller one is not the reason of a refusal, which begins at five minutes. */
const LEAST_MS = 60_000;
/** Longer than any request takes. */
const LATELY_MS = 10_000;

export class ServerClock {
  readonly #clock: Clock;
  readonly #tell: (why: string) => void;
  #offset = 0;
  #correctedAt = Number.NEGATIVE_INFINITY;

  /** @param tell gets a sentence when the offset changes, or would */
  constructor(clock: Clock, tell: (why: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** In milliseconds of Date.now(). */
  date(): number {
    return this.#clock.date() + this.#offset;
  }

  /** Corrects the time by an answer that refuses the time of a signature. @returns true if a new signature can be accepted */
  correctFrom(answer: Response): boolean {
    if (refusalIn(answer) !== "time") return false;
    const theirs = dateIn(answer.headers);
    if (theirs === undefined) return false;
    const offset = theirs - this.#clock.date();
    const changed = Math.abs(offset - this.#offset) >= LEAST_MS;
    const difference = `the clock of this machine is ${Math.round(Math.abs(offset) / 1000)} s ${offset > 0 ? "behind" : "ahead of"} that of AWS`;
    if (Math.abs(offset) > MOST_MS) {
      this.#tell(
        `${difference}, at most ${MOST_MS / 1000} s are corrected: set the clock (timedatectl set-ntp true)`,
      );
      return false;
    }
    // Another caller has corrected it while this request was on its way.
    if (!changed) return this.#clock.now() - this.#correctedAt < LATELY_MS;
    this.#correctedAt = this.#clock.now();
    this.#offset = Math.abs(offset) < LEAST_MS ? 0 : offset;
    this.#tell(
      this.#offset === 0
        ? "AWS refused a signature for its time: signing with the time of this machine again"
        : `${difference}: signing with the time of AWS from now on; set the clock (timedatectl set-ntp true)`,
    );
    return true;
  }
}
