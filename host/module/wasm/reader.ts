/**
 * Reads a WebAssembly binary's primitives (core specification 2.0, section 5.2) at a position that is always an offset into the
 * whole file, so that every refusal can name its byte.
 */

// ignoreBOM: without it a name that begins with a byte order mark would lose it here, and keep it in the engine
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Names longer than this the engine refuses too. */
const MAX_NAME = 100_000;

export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  /** Nothing is read at or behind this offset. */
  end: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = bytes.length;
  }

  get left(): number {
    return this.end - this.at;
  }

  byte(): number {
    if (this.at >= this.end) throw new Error(`it is cut short at byte ${this.at}`);
    return this.bytes[this.at++] as number;
  }

  /** An unsigned LEB128 number of 32 bits: at most five bytes, no bit above the 32nd. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    const last = this.byte();
    if (last >= 128) throw new Error(`the number before byte ${this.at} has more than 5 bytes`);
    if (last > 15) throw new Error(`the number before byte ${this.at} is over 32 bits`);
    return value + last * 0x1000_0000;
  }

  /** Passes a signed LEB128 number of 32 or 64 bits; its value is of no interest here. */
  signed(bits: 32 | 64): void {
    const length = bits === 32 ? 5 : 10;
    for (let i = 1; i < length; i++) if (this.byte() < 128) return;
    const last = this.byte();
    if (last >= 128) throw new Error(`the number before byte ${this.at} has more than ${length} bytes`);
    // what is above the number's last bit must repeat it
    const sign = bits === 32 ? last & 0x78 : last;
    if (sign !== 0 && sign !== (bits === 32 ? 0x78 : 0x7f)) {
      throw new Error(`the number before byte ${this.at} is over ${bits} bits`);
    }
  }

  skip(length: number): void {
    if (length > this.left) throw this.#short(length);
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
      throw new Error(`the name at byte ${start} is no UTF-8`);
    }
  }

  /** A list's length. A list cannot have more entries than it has bytes for, so nothing is ever allocated by a mere claim. */
  count(bytesEach: number, most = Number.POSITIVE_INFINITY, what = "entries"): number {
    const start = this.at;
    const count = this.u32();
    if (count * bytesEach > this.left) {
      throw new Error(`the list at byte ${start} claims ${count} entries in ${this.left} bytes`);
    }
    if (count > most)
      throw new Error(`the list at byte ${start} has ${count} ${what}, at most ${most} are allowed`);
    return count;
  }

  /** An index into a space of which `count` exist. */
  index(count: number, what: string): number {
    const start = this.at;
    const index = this.u32();
    if (index >= count) throw noSuch(what, index, count, start);
    return index;
  }

  #short(length: number): Error {
    return new Error(
      `it is cut short: ${length} bytes are claimed at byte ${this.at}, ${this.left} are left`,
    );
  }
}

export function noSuch(what: string, index: number, count: number, at: number): Error {
  return new Error(`${what} ${index} at byte ${at} does not exist, there are ${count}`);
}

export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
