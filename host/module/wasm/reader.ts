/**
 * Reads the primitive values of the WebAssembly binary format (core specification 2.0, section 5.2). The position is an offset into
 * the whole file, so that every error names its byte.
 */

// ignoreBOM keeps a leading byte order mark, as the engine does; otherwise a name would be another one here
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Maximum length of a name in bytes; the engine's own limit. */
const MAX_NAME = 100_000;

export class Reader {
  readonly bytes: Uint8Array;
  /** Offset of the next byte. */
  at: number;
  /** Offset after the last byte that may be read. */
  end: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = bytes.length;
  }

  /** Number of bytes before `end`. */
  get left(): number {
    return this.end - this.at;
  }

  byte(): number {
    if (this.at >= this.end) throw new Error(`unexpected end at byte ${this.at}`);
    return this.bytes[this.at++] as number;
  }

  /** Reads an unsigned 32-bit LEB128 number: at most five bytes, no bit above the 32nd. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    const last = this.byte();
    if (last >= 128) throw new Error(`the number before byte ${this.at} is longer than 5 bytes`);
    if (last > 15) throw new Error(`the number before byte ${this.at} exceeds 32 bits`);
    return value + last * 0x1000_0000;
  }

  /** Skips a signed 32-bit or 64-bit LEB128 number. */
  signed(bits: 32 | 64): void {
    const length = bits === 32 ? 5 : 10;
    for (let i = 1; i < length; i++) if (this.byte() < 128) return;
    const last = this.byte();
    if (last >= 128) throw new Error(`the number before byte ${this.at} is longer than ${length} bytes`);
    // the bits above the sign bit must equal it
    const sign = bits === 32 ? last & 0x78 : last;
    if (sign !== 0 && sign !== (bits === 32 ? 0x78 : 0x7f)) {
      throw new Error(`the number before byte ${this.at} exceeds ${bits} bits`);
    }
  }

  skip(length: number): void {
    if (length > this.left) throw this.#unexpectedEnd(length);
    this.at += length;
  }

  take(length: number): Uint8Array {
    this.skip(length);
    return this.bytes.subarray(this.at - length, this.at);
  }

  name(): string {
    const start = this.at;
    const length = this.u32();
    if (length > MAX_NAME) {
      throw new Error(`the name at byte ${start} has ${length} bytes, at most ${MAX_NAME} are allowed`);
    }
    const bytes = this.take(length);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new Error(`the name at byte ${start} is not valid UTF-8`);
    }
  }

  /**
   * Reads the length of a list and checks it against the bytes that are left, so that a forged length cannot cause an allocation.
   * @param bytesEach minimum size of one entry in bytes
   * @param most maximum number of entries
   * @param what the entries in error messages, plural
   */
  count(bytesEach: number, most = Number.POSITIVE_INFINITY, what = "entries"): number {
    const start = this.at;
    const count = this.u32();
    if (count * bytesEach > this.left) {
      throw new Error(
        `the list at byte ${start} declares ${count} entries, but only ${this.left} bytes are left`,
      );
    }
    if (count > most)
      throw new Error(`the list at byte ${start} has ${count} ${what}, at most ${most} are allowed`);
    return count;
  }

  /** Reads an index below `count`. */
  index(count: number, what: string): number {
    const start = this.at;
    const index = this.u32();
    if (index >= count) throw indexOutOfRange(what, index, count, start);
    return index;
  }

  #unexpectedEnd(length: number): Error {
    return new Error(`unexpected end at byte ${this.at}: ${length} bytes are needed, ${this.left} are left`);
  }
}

/** @param what the kind of object that the index refers to, such as "function" */
export function indexOutOfRange(what: string, index: number, count: number, at: number): Error {
  return new Error(`${what} ${index} at byte ${at} does not exist, there are ${count}`);
}

export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
