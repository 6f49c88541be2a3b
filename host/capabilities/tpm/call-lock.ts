/**
 * Lets one call of a provider at a time use the TPM. A call is identified by its abort signal. The others wait, first come first
 * served.
 */
interface Waiter {
  readonly call: AbortSignal;
  readonly resolve: (entered: boolean) => void;
  readonly onOver: () => void;
}

export class CallLock {
  readonly #waiting: Waiter[] = [];
  readonly #onAbandoned: () => Promise<void>;
  #holder: Waiter | undefined;

  /** @param onAbandoned called when the holder's call ends without `leave`; the next call enters when it resolves */
  constructor(onAbandoned: () => Promise<void>) {
    this.#onAbandoned = onAbandoned;
  }

  get isHeld(): boolean {
    return this.#holder !== undefined;
  }

  isHeldBy(call: AbortSignal): boolean {
    return this.#holder?.call === call && !call.aborted;
  }

  /** True if the call holds the lock or waits for it. */
  isHeldOrAwaitedBy(call: AbortSignal): boolean {
    return this.#holder?.call === call || this.#waiting.some((each) => each.call === call);
  }

  /**
   * Waits for the lock.
   * @returns true if the call has it; false if the call ended first
   */
  enter(call: AbortSignal): Promise<boolean> {
    if (call.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiter: Waiter = { call, resolve, onOver: () => this.#over(waiter) };
      call.addEventListener("abort", waiter.onOver, { once: true });
      this.#waiting.push(waiter);
      this.#next();
    });
  }

  leave(call: AbortSignal): void {
    const holder = this.#holder;
    if (holder?.call !== call) return;
    call.removeEventListener("abort", holder.onOver);
    this.#holder = undefined;
    this.#next();
  }

  #next(): void {
    if (this.#holder !== undefined) return;
    this.#holder = this.#waiting.shift();
    this.#holder?.resolve(true);
  }

  #over(waiter: Waiter): void {
    if (this.#holder === waiter) {
      const done = () => {
        this.#holder = undefined;
        this.#next();
      };
      this.#onAbandoned().then(done, done);
      return;
    }
    this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
    waiter.resolve(false);
  }
}
