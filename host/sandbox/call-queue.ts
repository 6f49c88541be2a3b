/** Limits how many calls run at once and how many wait. A call beyond both limits fails at once instead of waiting. */

export interface CallQueueOptions {
  /** The most calls that run at once. */
  readonly concurrentCalls: number;
  /** The most calls that wait. */
  readonly waitingCalls: number;
}

export class CallQueue {
  readonly #options: CallQueueOptions;
  #running = 0;
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  constructor(options: CallQueueOptions) {
    this.#options = options;
  }

  /** The number of calls that run. */
  get running(): number {
    return this.#running;
  }

  /** The number of calls that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when the call may run. Call leave() at its end.
   * @param deadline on the clock of performance.now(), in milliseconds
   * @param full makes the error for a full queue
   * @param late makes the error for a call whose deadline passes while it waits
   */
  async enter(deadline: number, full: () => Error, late: () => Error): Promise<void> {
    if (this.#running < this.#options.concurrentCalls) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= this.#options.waitingCalls) throw full();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    this.#waiting.push(waiter);
    const timer = setTimeout(
      () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(late());
      },
      Math.max(0, deadline - performance.now()),
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** Ends a call: the next one that waits runs. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next.resolve();
  }

  /** Rejects all waiting calls. Running calls continue. */
  rejectWaiting(error: () => Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error());
  }
}
