/** So many at once, so many waiting, and no more: a bound that is told of at once, not by a queue that never ends. */

export interface TurnsOptions {
  readonly atOnce: number;
  readonly waiting: number;
}

export class Turns {
  readonly #options: TurnsOptions;
  #taken = 0;
  #queue: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Resolves when it is one's turn; give it back with leave().
   * @param deadline on the clock of performance.now()
   * @param full made where nobody may wait any more; late, where the deadline came first
   */
  async enter(deadline: number, full: () => Error, late: () => Error): Promise<void> {
    if (this.#taken < this.#options.atOnce) {
      this.#taken += 1;
      return;
    }
    if (this.#queue.length >= this.#options.waiting) throw full();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn = { resolve, reject };
    this.#queue.push(turn);
    const timer = setTimeout(
      () => {
        this.#queue = this.#queue.filter((other) => other !== turn);
        reject(late());
      },
      Math.max(0, deadline - performance.now()),
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** Hands the turn on to the next in the queue, or gives it back. */
  leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#taken -= 1;
    else next.resolve();
  }

  /** Sends away all who wait. */
  close(error: () => Error): void {
    for (const { reject } of this.#queue.splice(0)) reject(error());
  }
}
