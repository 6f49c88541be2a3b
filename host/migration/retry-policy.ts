/** Retries a request if the API server is busy, restarts or does not answer. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "./api.ts";

/** Ten attempts in about 30 s, in which an API server can restart. */
const DELAYS_MS: readonly number[] = [250, 500, 1000, 2000, 2000, 4000, 4000, 8000, 8000];
/** The upper limit of Retry-After. */
const MAX_DELAY_MS = 60_000;

/** One instance for each pass. After one request has failed all its attempts, the next ones are not retried until a request succeeds. */
export class RetryPolicy {
  readonly #signal: AbortSignal;
  readonly #delays: readonly number[];
  #exhausted = false;

  /** @param delays in milliseconds before the second attempt, the third … */
  constructor(signal: AbortSignal, delays = DELAYS_MS) {
    this.#signal = signal;
    this.#delays = delays;
  }

  /** @throws ApiError the error of the last attempt */
  async run<T>(request: () => Promise<T>): Promise<T> {
    for (const delay of this.#delays) {
      try {
        return await this.#once(request);
      } catch (error) {
        if (!isTransient(error) || this.#exhausted || this.#signal.aborted) throw error;
        await sleep(retryDelay(delay, error), undefined, { signal: this.#signal });
      }
    }
    try {
      return await this.#once(request);
    } catch (error) {
      this.#exhausted ||= isTransient(error);
      throw error;
    }
  }

  async #once<T>(request: () => Promise<T>): Promise<T> {
    const answer = await request();
    this.#exhausted = false;
    return answer;
  }
}

/** @returns milliseconds: the server's Retry-After if it is longer, and at most a minute */
export function retryDelay(delay: number, { retryAfterMs }: Pick<ApiError, "retryAfterMs">): number {
  return Math.min(Math.max(delay, retryAfterMs), MAX_DELAY_MS);
}

function isTransient(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.code === 0 || error.code === 429 || error.code >= 500);
}
