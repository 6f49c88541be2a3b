/** Whose turn it is at a provider's TPM: one call of the provider, known by its signal; the others wait, first come first served. */
interface Waiter {
  readonly call: AbortSignal;
  readonly resolve: (entered: boolean) => void;
  readonly onOver: () => void;
}

export class Lease {
  readonly #waiting: Waiter[] = [];
  readonly #onAbandoned: () => Promise<void>;
  #holder: Waiter | undefined;

  /** @param onAbandoned a call ended inside; the next one enters when it resolves */
  constructor(onAbandoned: () => Promise<void>) {
    this.#onAbandoned = onAbandoned;
  }

  get isHeld(): boolean {
    return this.#holder !== undefined;
  }

  holds(call: AbortSignal): boolean {
    return this.#holder?.call === call && !call.aborted;
  }

  /** Whether the call is inside or waits to be. */
  knows(call: AbortSignal): boolean {
    return this.#holder?.call === call || this.#waiting.some((each) => each.call === call);
  }

  /** Resolves when it is the call's turn; with false if the call is over before. */
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
