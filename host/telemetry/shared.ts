/** What costs time to make and may be a little old: made once, for all who ask within that time. */
export function sharedFor<T>(ms: number, make: () => T): () => T {
  let made: { readonly at: number; readonly value: T } | undefined;
  return () => {
    const now = performance.now();
    if (made === undefined || now - made.at >= ms) made = { at: now, value: make() };
    return made.value;
  };
}

/** Turns of one after the other, at least so many milliseconds apart. A turn that was given up takes no time of the others. */
export class Pace {
  readonly #ms: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** @returns what gives the turn up; the caller bounds how many wait */
  turn(take: () => void): () => void {
    this.#waiting.add(take);
    this.#schedule();
    return () => void this.#waiting.delete(take);
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const left = this.#next - performance.now();
    if (left <= 0) {
      this.#take();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#take();
    }, left);
  }

  #take(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    this.#next = performance.now() + this.#ms;
    if (this.#waiting.size > 0) this.#schedule();
    first();
  }
}
