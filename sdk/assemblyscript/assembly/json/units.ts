/** Reads a string of a scanned document in place, one UTF-16 unit at a time, so that comparing it allocates nothing. */

export class Units {
  private at: i32 = 0;
  /** The pending low surrogate; -1 if there is none. */
  private low: i32 = -1;

  constructor(private bytes: Uint8Array) {}

  /** Starts at the string whose opening quote is at `at`. */
  from(at: i32): void {
    this.at = at + 1;
    this.low = -1;
  }

  /** Returns the next unit; -1 at the string's end. */
  next(): i32 {
    if (this.low >= 0) {
      const unit = this.low;
      this.low = -1;
      return unit;
    }
    const byte = this.bytes[this.at];
    if (byte === 0x22) return -1;
    if (byte === 0x5c) return this.escape();
    this.at++;
    if (byte < 0x80) return byte;
    if (byte < 0xe0) return this.more(byte & 0x1f);
    if (byte < 0xf0) return this.more(this.more(byte & 0x0f));
    const above = this.more(this.more(this.more(byte & 0x07))) - 0x10000;
    this.low = 0xdc00 | (above & 0x3ff);
    return 0xd800 | (above >> 10);
  }

  /** Compares the string at `at` with `text`. */
  same(at: i32, text: string): bool {
    this.from(at);
    for (let i = 0; i < text.length; i++) {
      if (this.next() !== text.charCodeAt(i)) return false;
    }
    return this.next() < 0;
  }

  private more(value: i32): i32 {
    return (value << 6) | (this.bytes[this.at++] & 0x3f);
  }

  private escape(): i32 {
    const byte = this.bytes[this.at + 1];
    this.at += 2;
    if (byte === 0x75) return this.hex4();
    if (byte === 0x62) return 8;
    if (byte === 0x66) return 12;
    if (byte === 0x6e) return 10;
    if (byte === 0x72) return 13;
    return byte === 0x74 ? 9 : byte;
  }

  private hex4(): i32 {
    let unit = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.bytes[this.at++];
      unit = (unit << 4) | (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57);
    }
    return unit;
  }
}
