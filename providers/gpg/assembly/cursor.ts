/** Reads bytes in order, never past their end. */
export class Cursor {
  /** False after a read past the end; such a read returns 0, or no bytes. */
  ok: bool = true;
  at: i32 = 0;

  constructor(private bytes: Uint8Array) {}

  get left(): i32 {
    return this.bytes.length - this.at;
  }

  /** Reads a big-endian number of 1, 2 or 4 bytes (RFC 4880, 3.1). */
  number(size: i32): u32 {
    if (size > this.left) return this.fail();
    let value: u32 = 0;
    for (let i = 0; i < size; i++) value = (value << 8) | this.bytes[this.at++];
    return value;
  }

  /** Reads the next bytes. The length comes from the message, so it is compared while unsigned. */
  take(length: u32): Uint8Array {
    if (length > (this.left as u32)) return new Uint8Array(this.fail());
    this.at += length as i32;
    return this.bytes.slice(this.at - (length as i32), this.at);
  }

  private fail(): u32 {
    this.ok = false;
    return 0;
  }
}
