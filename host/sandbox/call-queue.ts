/**
 * Limits how many calls run at once. The others wait in the order in which they came, for as long as they can still be served in time. What
 * waits is bounded in number and in bytes; a call beyond that fails at once.
 */

export interface CallQueueOptions {
  /** The most calls that run at once. */
  readonly concurrentCalls: number;
  /** The most calls that wait. */
  readonly waitingCalls: number;
  /** The most bytes that the inputs of waiting calls take. */
  readonly waitingBytes: number;
}

export interface QueuedCall {
  /** The size of the input. */
  readonly bytes: number;
  /** The last moment at which it can start, on the clock of performance.now(), in milliseconds. */
  readonly latestStart: number;
  /** Makes the error for a full queue. */
  readonly full: () => Error;
  /** Makes the error for a call that could not start in time. */
  readonly late: () => Error;
}

interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class CallQueue {
  readonly #options: CallQueueOptions;
  #running = 0;
  /** In the order of arrival. */
  readonly #waiting = new Set<Waiter>();
  #waitingBytes = 0;

  constructor(options: CallQueueOptions) {
    this.#options = options;
  }

  /** The number of calls that run. */
  get running(): number {
    return this.#running;
  }

  /** The number of calls that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The size of their inputs. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Resolves when the call may run. Call leave() at its end. */
  async enter({ bytes, latestStart, full, late }: QueuedCall): Promise<void> {
    const { concurrentCalls, waitingCalls, waitingBytes } = this.#options;
    if (this.#running < concurrentCalls) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.size >= waitingCalls || this.#waitingBytes + bytes > waitingBytes) throw full();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { bytes, resolve, reject };
    this.#waiting.add(waiter);
    this.#waitingBytes += bytes;
    const timer = setTimeout(
      () => {
        this.#remove(waiter);
        reject(late());
      },
      Math.max(0, latestStart - performance.now()),
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** Ends a call: the next one that waits runs. */
  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#remove(next);
    next.resolve();
  }

  /** Rejects all waiting calls. Running calls continue. */
  rejectWaiting(error: () => Error): void {
    for (const waiter of this.#waiting) {
      this.#remove(waiter);
      waiter.reject(error());
    }
  }

  #remove(waiter: Waiter): void {
    if (this.#waiting.delete(waiter)) this.#waitingBytes -= waiter.bytes;
  }
}
