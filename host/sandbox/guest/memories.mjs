/**
 * The memories of instances. Every call has a new instance; its memory may have been that of an earlier instance, whose bytes are all zero
 * again (docs/decisions/0038-zeroed-memories.md). So the kernel need not map and unmap pages for each call.
 */

const PAGE = 65_536;
/** The largest memory that is used again, in bytes: to zero a larger one costs more than new pages, of which a call uses a few. */
const MAX_BYTES = 1 << 20;
/** The most memories that wait for an instance, and their most bytes. */
const MAX_WAITING = 64;
const MAX_WAITING_BYTES = 4 << 20;

export class Memories {
  #size;
  #bytes;
  #most;
  /** @type {WebAssembly.Memory[]} */
  #waiting = [];

  /** @param {{ initial: number, maximum: number }} size of each, in pages */
  constructor(size) {
    this.#size = size;
    this.#bytes = size.initial * PAGE;
    this.#most =
      this.#bytes > MAX_BYTES ? 0 : Math.min(MAX_WAITING, Math.floor(MAX_WAITING_BYTES / this.#bytes));
  }

  /** @returns {WebAssembly.Memory} all bytes of it are zero */
  take() {
    return this.#waiting.pop() ?? new WebAssembly.Memory(this.#size);
  }

  /**
   * Takes back the memory of an instance that has ended: no function of it runs, or will. A memory that has grown cannot become smaller, and
   * is dropped.
   * @param {WebAssembly.Memory} memory
   * @returns {boolean} false if the memory is dropped
   */
  giveBack(memory) {
    const { buffer } = memory;
    if (buffer.byteLength !== this.#bytes || this.#waiting.length >= this.#most) return false;
    new Uint8Array(buffer).fill(0);
    this.#waiting.push(memory);
    return true;
  }
}
