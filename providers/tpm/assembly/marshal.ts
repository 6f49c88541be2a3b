/** TPM 2.0's own encoding (Part 2, clause 4): big-endian numbers, and byte strings with a 16-bit length in front (TPM2B). */

export class Out {
  private bytes: Uint8Array = new Uint8Array(512);
  private at: i32 = 0;

  u8(value: u32): this {
    this.reserve(1);
    this.bytes[this.at++] = value as u8;
    return this;
  }

  u16(value: u32): this {
    return this.u8(value >> 8).u8(value);
  }

  u32(value: u32): this {
    return this.u16(value >> 16).u16(value);
  }

  raw(value: Uint8Array): this {
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  /** A TPM2B. */
  sized(value: Uint8Array): this {
    return this.u16(value.length).raw(value);
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  private reserve(count: i32): void {
    const need = this.at + count;
    if (need <= this.bytes.length) return;
    const larger = new Uint8Array(max(need, this.bytes.length * 2));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

/** Reads the encoding of a TPM or of this provider. After the first fault `ok` is false, and every read returns 0 or no bytes. */
export class In {
  ok: bool = true;
  private at: i32 = 0;

  constructor(private bytes: Uint8Array) {}

  /** True if every read succeeded and no bytes are left. */
  get intact(): bool {
    return this.ok && this.at === this.bytes.length;
  }

  u8(): u32 {
    if (!this.has(1)) return 0;
    return this.bytes[this.at++];
  }

  u16(): u32 {
    if (!this.has(2)) return 0;
    return (this.u8() << 8) | this.u8();
  }

  u32(): u32 {
    if (!this.has(4)) return 0;
    return (this.u16() << 16) | this.u16();
  }

  raw(count: u32): Uint8Array {
    if (!this.has(count)) return new Uint8Array(0);
    this.at += count as i32;
    return this.bytes.slice(this.at - (count as i32), this.at);
  }

  /** A TPM2B's content. */
  sized(): Uint8Array {
    return this.raw(this.u16());
  }

  rest(): Uint8Array {
    return this.raw(this.bytes.length - this.at);
  }

  private has(count: u32): bool {
    // Compared unsigned: a length near 2^32 must not pass as a negative number.
    if (!this.ok || count > ((this.bytes.length - this.at) as u32)) this.ok = false;
    return this.ok;
  }
}
