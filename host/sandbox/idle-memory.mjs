/**
 * Gives memory back after a load. V8 and the allocator keep the memory that a load needed, and only a collection of the last resort gives
 * it back. That stops the process for some tens of milliseconds, so it runs once after each load, when calls are rare again, and once after
 * the start (docs/decisions/0044-idle-memory.md). Runs on both sides: in the host, and in providers' processes.
 */

const INTERVAL_MS = 10_000;
/** Calls in an interval: a load has more than this, */
const LOAD = 500;
/** and calls are rare if there are fewer than this. */
const RARE = 100;

export class IdleMemory {
  #calls = 0;
  // The start leaves the most garbage.
  #due = true;
  #collect;

  /** @param {() => void} collect gives memory back */
  constructor(collect) {
    this.#collect = collect;
  }

  /** Counts a call. */
  count() {
    this.#calls += 1;
  }

  /** Watches the calls from now on. */
  watch() {
    setTimeout(() => {
      this.endInterval();
      this.watch();
    }, INTERVAL_MS).unref();
  }

  /** Looks at the calls since the last look. */
  endInterval() {
    const calls = this.#calls;
    this.#calls = 0;
    if (calls > LOAD) this.#due = true;
    if (!this.#due || calls >= RARE) return;
    this.#due = false;
    this.#collect();
  }
}
