/** The callers that wait until a sink has accepted their lines. */
import type { KleidiError } from "../error.ts";

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: KleidiError) => void;
}

const DONE = Promise.resolve();

export class Waiters {
  /** Every line up to this sequence is in a sink, or known to be in none. */
  accepted = 0;
  /** Sorted by sequence. */
  #waiting: Waiter[] = [];

  /** Resolves once the line is accepted; rejects at once with `failure` if there is one and the line is not accepted yet. */
  until(seq: number, failure: KleidiError | undefined): Promise<void> {
    if (seq <= this.accepted) return DONE;
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => this.#waiting.push({ seq, resolve, reject }));
  }

  /** Records that a sink has these lines; ignored if it missed lines before them. */
  accept(first: number, last: number): void {
    if (first > this.accepted + 1 || last <= this.accepted) return;
    this.accepted = last;
    for (const { resolve } of this.#take(last + 1)) resolve();
  }

  /** Records that no sink holds a line below this one any more: lines that are not accepted never will be. */
  forget(below: number, failure: () => KleidiError): void {
    if (this.accepted >= below - 1) return;
    this.reject(below, failure());
    this.accepted = below - 1;
  }

  reject(below: number, failure: KleidiError): void {
    for (const { reject } of this.#take(below)) reject(failure);
  }

  /** Removes and returns the callers that wait for a line below this one. */
  #take(below: number): Waiter[] {
    const open = this.#waiting.findIndex(({ seq }) => seq >= below);
    return this.#waiting.splice(0, open === -1 ? this.#waiting.length : open);
  }
}
