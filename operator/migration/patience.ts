/** Tries a request again where the API server is busy, restarts or does not answer. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../cluster/client.ts";

/** Seven tries in about 30 s: an API server may restart meanwhile. */
const DELAYS_MS = [250, 500, 1000, 4000, 8000, 16_000];
/** The longest Retry-After that is obeyed. */
const MAX_DELAY_MS = 60_000;

/** One for each pass. A fault that outlasted all tries of one request is not waited for again until a request succeeds. */
export class Patience {
  readonly #signal: AbortSignal;
  #exhausted = false;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** @throws ApiError the last one */
  async ask<T>(request: () => Promise<T>): Promise<T> {
    for (const delay of DELAYS_MS) {
      try {
        return await this.#once(request);
      } catch (error) {
        if (!isTransient(error) || this.#exhausted || this.#signal.aborted) throw error;
        const pause = Math.min(Math.max(delay, error.retryAfterMs), MAX_DELAY_MS);
        await sleep(pause, undefined, { signal: this.#signal });
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

function isTransient(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.code === 0 || error.code === 429 || error.code >= 500);
}
