/** Who waits for lines to be accepted, and up to where that is so. */
import type { KleidiError } from "../error.ts";

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: KleidiError) => void;
}

const DONE = Promise.resolve();

export class Waiters {
  /** Every line up to this one is in a sink, or is known to be in none. */
  accepted = 0;
  /** By sequence, ascending. */
  #waiting: Waiter[] = [];

  /** Resolves once the line is accepted; rejects at once with `failure` where there is one and it is not. */
  until(seq: number, failure: KleidiError | undefined): Promise<void> {
    if (seq <= this.accepted) return DONE;
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => this.#waiting.push({ seq, resolve, reject }));
  }

  /** A sink has these lines. What it missed before them counts as nothing. */
  accept(first: number, last: number): void {
    if (first > this.accepted + 1 || last <= this.accepted) return;
    this.accepted = last;
    for (const { resolve } of this.#take(last + 1)) resolve();
  }

  /** No sink holds a line below this one any more: those that are not accepted never will be. */
  forget(below: number, failure: () => KleidiError): void {
    if (this.accepted >= below - 1) return;
    this.reject(below, failure());
    this.accepted = below - 1;
  }

  reject(below: number, failure: KleidiError): void {
    for (const { reject } of this.#take(below)) reject(failure);
  }

  /** Those that wait for a line below this one; they wait no more. */
  #take(below: number): Waiter[] {
    const open = this.#waiting.findIndex(({ seq }) => seq >= below);
    return this.#waiting.splice(0, open === -1 ? this.#waiting.length : open);
  }
}
