/** Reads big-endian fields, as TPM 2.0 Part 2 marshals them. */

/** Fewer bytes are left than the field needs. */
export class TooShort extends Error {}

export class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** A TPM2B: a u16 size, then that many bytes. */
  sized(): Uint8Array {
    return this.raw(this.u16());
  }

  #take(length: number): number {
    if (length > this.left) throw new TooShort(`${length} bytes are needed, ${this.left} are left`);
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
