/**
 * Repeats calls of one provider while its KMS is out of reach, until their deadlines. After such a failure the calls take turns, one every
 * 50 to 100 ms: a KMS that is down gets a few requests a second from any number of callers. The first answer lets all of them go on.
 */
import { type ErrorCode, KleidiError } from "../error.ts";
import { type BackOff, backOffMs, jitterMs } from "../lib/back-off.ts";

const PACE: BackOff = { firstMs: 25, longestMs: 100 };
const JITTER = [0.5, 1] as const;

/** The KMS answered: it refuses this call, or the key. */
const ANSWERED: ReadonlySet<ErrorCode> = new Set([
  "ciphertext-invalid",
  "credential-refused",
  "key-not-ready",
]);

/** True if the same call can succeed in a moment, and the KMS has not answered it. */
export function isOutOfReach(error: unknown): error is KleidiError {
  return error instanceof KleidiError && error.code === "backend-unreachable";
}

export class Outage {
  /** The calls that wait for their turn, the first one first. */
  readonly #waiting = new Set<(mayTry: boolean) => void>();
  /** Turns since the KMS failed; undefined while it is in reach. */
  #turns: number | undefined;
  #nextTurnAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** True while the KMS is out of reach. */
  get isOpen(): boolean {
    return this.#turns !== undefined;
  }

  /**
   * Runs a call, and repeats it while the KMS is out of reach.
   * @param deadline on the clock of performance.now(), in milliseconds: no try starts later, and a repetition that takes longer is given up
   * @param call may run several times; one that is given up goes on
   * @throws the error of the last try that ended; backend-unreachable, if there was no turn before the deadline
   */
  async run<T>(deadline: number, call: () => Promise<T>): Promise<T> {
    let failure: KleidiError | undefined;
    for (;;) {
      if (this.#turns !== undefined && !(await this.#turn(deadline))) throw failure ?? noTurn();
      try {
        const result = await (failure === undefined ? call() : before(deadline, call(), failure));
        this.#end();
        return result;
      } catch (error) {
        if (error instanceof KleidiError && ANSWERED.has(error.code)) this.#end();
        if (!isOutOfReach(error)) throw error;
        failure = error;
        this.#begin();
        if (performance.now() >= deadline) throw error;
      }
    }
  }

  /** Resolves with true when the call may try, with false at its deadline. */
  #turn(deadline: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.add(resolve);
    const late = setTimeout(() => resolve(false), Math.max(0, deadline - performance.now()));
    this.#arm();
    return promise.finally(() => {
      clearTimeout(late);
      this.#waiting.delete(resolve);
    });
  }

  #begin(): void {
    if (this.#turns !== undefined) return;
    this.#turns = 0;
    this.#planTurn();
  }

  #end(): void {
    if (this.#turns === undefined) return;
    this.#turns = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const resolve of this.#waiting) resolve(true);
    this.#waiting.clear();
  }

  #planTurn(): void {
    this.#turns = (this.#turns ?? 0) + 1;
    this.#nextTurnAt = performance.now() + jitterMs(backOffMs(PACE, this.#turns), JITTER, Math.random());
  }

  /** Gives the next turn to the first call that waits, as soon as the pace allows. */
  #arm(): void {
    if (this.#waiting.size === 0) return;
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        const [first] = this.#waiting;
        if (first === undefined) return;
        this.#waiting.delete(first);
        this.#planTurn();
        first(true);
        this.#arm();
      },
      Math.max(0, this.#nextTurnAt - performance.now()),
    );
  }
}

/** Waits for a repetition until the deadline: the first failure says more than a deadline that was missed. */
function before<T>(deadline: number, work: Promise<T>, failure: KleidiError): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(failure), Math.max(0, deadline - performance.now()));
  work.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
}

function noTurn(): KleidiError {
  return new KleidiError(
    "backend-unreachable/turn",
    "Cannot call the provider: its KMS is out of reach, and the calls before this one used up the time to try again",
  );
}
