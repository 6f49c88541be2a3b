/** The places of function indexes in a module, for a linker that gives the functions other indexes. */

/** The bytes of a function body. */
export interface BodySpan {
  /** Offset of the body's size. */
  readonly head: number;
  /** Offset of its locals. */
  readonly from: number;
  readonly to: number;
}

/** One function index in the file. */
export interface Reference {
  readonly target: number;
  readonly from: number;
  readonly to: number;
}

export class References {
  readonly bodies: BodySpan[] = [];
  /** Three numbers for each reference; flat, because a module can have millions. */
  #flat = new Uint32Array(3 * 1024);
  #count = 0;

  /**
   * Records a reference. They are recorded in the order of the file.
   * @param target the function index
   * @param from offset of its first byte
   * @param to offset after its last byte
   */
  add(target: number, from: number, to: number): void {
    if (this.#count === this.#flat.length) {
      const more = new Uint32Array(this.#count * 2);
      more.set(this.#flat);
      this.#flat = more;
    }
    this.#flat[this.#count++] = target;
    this.#flat[this.#count++] = from;
    this.#flat[this.#count++] = to;
  }

  /** The references in the order of the file. */
  *[Symbol.iterator](): Iterator<Reference> {
    for (let i = 0; i < this.#count; i += 3) {
      const [target = 0, from = 0, to = 0] = this.#flat.subarray(i, i + 3);
      yield { target, from, to };
    }
  }
}
