/** What costs time to make and may be a little old: made once, for all who ask within that time. */
export function sharedFor<T>(ms: number, make: () => T): () => T {
  let made: { readonly at: number; readonly value: T } | undefined;
  return () => {
    const now = performance.now();
    if (made === undefined || now - made.at >= ms) made = { at: now, value: make() };
    return made.value;
  };
}

/** Turns of one after the other, at least so many milliseconds apart. */
export class Pace {
  readonly #ms: number;
  #next = 0;

  constructor(ms: number) {
    this.#ms = ms;
  }

  async turn(): Promise<void> {
    const now = performance.now();
    const at = Math.max(now, this.#next);
    this.#next = at + this.#ms;
    if (at > now) await new Promise((resolve) => setTimeout(resolve, at - now));
  }
}
