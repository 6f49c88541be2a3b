/**
 * Checks that bytes are one JSON document (RFC 8259) of the kind that every reader understands alike (I-JSON, RFC 7493): UTF-8 without
 * a byte order mark, no lone surrogates. It stores no values: they are read later in place. No input makes it trap.
 */

/** Levels of arrays and objects. The call stack is the guest's own, so a bound is enough. */
const MAX_DEPTH: i32 = 32;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;

/** Scans one document; `ok` is false after the first fault. */
export class Scanner {
  ok: bool = true;
  at: i32 = 0;

  constructor(private bytes: Uint8Array) {}

  /** True if the bytes are one document and nothing else. */
  document(): bool {
    this.value(0);
    this.space();
    return this.ok && this.at === this.bytes.length;
  }

  /** Returns the end of the value at `at` and of the white space after it, in a document that is known to be valid. */
  behind(at: i32): i32 {
    this.at = at;
    this.value(0);
    return this.at;
  }

  /** Steps over white space, a value and white space. */
  value(depth: i32): void {
    this.space();
    const first = this.peek();
    if (first === QUOTE) this.string();
    else if (first === 0x7b) this.group(depth, 0x7d, true);
    else if (first === 0x5b) this.group(depth, 0x5d, false);
    else if (first === 0x74) this.word("true");
    else if (first === 0x66) this.word("false");
    else if (first === 0x6e) this.word("null");
    else this.number();
    this.space();
  }

  /** An object or an array. */
  private group(depth: i32, close: u8, named: bool): void {
    this.at++;
    if (depth === MAX_DEPTH) this.ok = false;
    this.space();
    if (this.take(close)) return;
    while (this.ok) {
      if (named) {
        this.space();
        this.string();
        this.space();
        this.need(0x3a);
      }
      this.value(depth + 1);
      if (this.take(close)) return;
      this.need(0x2c);
    }
  }

  string(): void {
    this.need(QUOTE);
    while (this.ok) {
      const byte = this.next();
      if (byte === QUOTE) return;
      if (byte === BACKSLASH) this.escape();
      else if (byte >= 0x80) this.utf8(byte);
      // Also at the document's end: `next` returns 0 there.
      else if (byte < 0x20) this.ok = false;
    }
  }

  private escape(): void {
    const byte = this.next();
    if (byte !== 0x75) {
      // " / \ b f n r t
      this.ok =
        this.ok &&
        (byte === QUOTE ||
          byte === 0x2f ||
          byte === BACKSLASH ||
          byte === 0x62 ||
          byte === 0x66 ||
          byte === 0x6e ||
          byte === 0x72 ||
          byte === 0x74);
      return;
    }
    const unit = this.hex4();
    if (unit < 0xd800 || unit > 0xdfff) return;
    // A high surrogate must be followed by a low one.
    this.need(BACKSLASH);
    this.need(0x75);
    const low = this.hex4();
    if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) this.ok = false;
  }

  private hex4(): u32 {
    let unit: u32 = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.next();
      const lower = byte | 0x20;
      if (byte >= 0x30 && byte <= 0x39) unit = (unit << 4) | (byte - 0x30);
      else if (lower >= 0x61 && lower <= 0x66) unit = (unit << 4) | (lower - 0x57);
      else this.ok = false;
    }
    return unit;
  }

  /** Checks the rest of a character of two bytes or more (RFC 3629, section 4): the first byte limits the second. */
  private utf8(first: u8): void {
    let low: u8 = 0x80;
    let high: u8 = 0xbf;
    let more = 1;
    if (first >= 0xe0) more = 2;
    if (first >= 0xf0) more = 3;
    if (first === 0xe0) low = 0xa0;
    if (first === 0xed) high = 0x9f;
    if (first === 0xf0) low = 0x90;
    if (first === 0xf4) high = 0x8f;
    if (first < 0xc2 || first > 0xf4) this.ok = false;
    for (; more > 0; more--) {
      const byte = this.next();
      if (byte < low || byte > high) this.ok = false;
      low = 0x80;
      high = 0xbf;
    }
  }

  private number(): void {
    this.take(0x2d);
    if (!this.take(0x30)) this.digits();
    if (this.take(0x2e)) this.digits();
    if (this.take(0x65) || this.take(0x45)) {
      if (!this.take(0x2b)) this.take(0x2d);
      this.digits();
    }
  }

  /** One or more digits. */
  private digits(): void {
    const start = this.at;
    while (this.peek() >= 0x30 && this.peek() <= 0x39) this.at++;
    if (this.at === start) this.ok = false;
  }

  private word(word: string): void {
    for (let i = 0; i < word.length; i++) this.need(word.charCodeAt(i) as u8);
  }

  private space(): void {
    while (this.at < this.bytes.length) {
      const byte = this.bytes[this.at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.at++;
    }
  }

  private need(byte: u8): void {
    if (!this.take(byte)) this.ok = false;
  }

  private take(byte: u8): bool {
    if (this.at >= this.bytes.length || this.bytes[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  /** The next byte; 0 at the end, which no value begins with. */
  private peek(): u8 {
    return this.at < this.bytes.length ? this.bytes[this.at] : 0;
  }

  private next(): u8 {
    if (this.at < this.bytes.length) return this.bytes[this.at++];
    this.ok = false;
    return 0;
  }
}
