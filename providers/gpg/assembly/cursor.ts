/** Reads bytes in order and never past their end. */
export class Cursor {
  /** False once something was read that is not there; what was read then is 0, or no bytes. */
  ok: bool = true;
  at: i32 = 0;

  constructor(private bytes: Uint8Array) {}

  get left(): i32 {
    return this.bytes.length - this.at;
  }

  /** A big-endian number of 1, 2 or 4 bytes (RFC 4880, 3.1). */
  number(size: i32): u32 {
    if (size > this.left) return this.fail();
    let value: u32 = 0;
    for (let i = 0; i < size; i++) value = (value << 8) | this.bytes[this.at++];
    return value;
  }

  /** The next bytes. The length comes from the message: it is compared before it counts as a signed number. */
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
