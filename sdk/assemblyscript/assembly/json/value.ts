/** Values of a JSON document, read where they stand in its bytes: nothing is built that is not asked for. */
import { utf8 } from "../bytes";
import { Scanner } from "./scan";

/** One document; null where the bytes are none, as `Scanner` has it, or it is deeper than 32. */
export function parse(bytes: Uint8Array): JsonValue | null {
  return new Scanner(bytes).document() ? new JsonValue(bytes, 0) : null;
}

/** A value. Each reader gives null, or what its comment says, where the value is of another type: no need to ask before. */
export class JsonValue {
  private at: i32;

  /** For `parse` and this file: the bytes are a document, and a value is at `at`, or white space before one. */
  constructor(
    private bytes: Uint8Array,
    at: i32,
  ) {
    while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
    this.at = at;
  }

  get isNull(): bool {
    return this.bytes[this.at] === 0x6e;
  }

  get isTrue(): bool {
    return this.bytes[this.at] === 0x74;
  }

  get isFalse(): bool {
    return this.bytes[this.at] === 0x66;
  }

  /** A string's text. */
  text(): string | null {
    return this.bytes[this.at] === 0x22 ? stringAt(this.bytes, this.at) : null;
  }

  /** A number as it is written. */
  number(): string | null {
    const first = this.bytes[this.at];
    if (first !== 0x2d && (first < 0x30 || first > 0x39)) return null;
    return String.UTF8.decodeUnsafe(this.bytes.dataStart + this.at, this.end() - this.at);
  }

  /**
   * A number that is written as an integer from 0 to 2^53 - 1, so that every reader has the same one (RFC 7493, 2.2); else -1.
   * 1.0 and 1e3 are none.
   */
  integer(): i64 {
    const text = this.number();
    if (text == null || text.length > 16) return -1;
    let value: i64 = 0;
    for (let i = 0; i < text.length; i++) {
      const letter = text.charCodeAt(i);
      if (letter < 48 || letter > 57) return -1;
      value = value * 10 + (letter - 48);
    }
    return value > 9007199254740991 ? -1 : value;
  }

  /** An object's member. A name that is there twice names nothing: readers differ in which one they take. */
  get(name: string): JsonValue | null {
    const members = new JsonItems(this.bytes, this.at, 0x7b);
    let found: JsonValue | null = null;
    while (members.next()) {
      if (!members.isNamed(name)) continue;
      if (found != null) return null;
      found = members.value;
    }
    return found;
  }

  /** An object's members in order, twice named ones twice; none where this is no object. */
  members(): JsonItems {
    return new JsonItems(this.bytes, this.at, 0x7b);
  }

  /** An array's elements in order; none where this is no array. */
  elements(): JsonItems {
    return new JsonItems(this.bytes, this.at, 0x5b);
  }

  private end(): i32 {
    return endOf(this.bytes, this.at);
  }
}

/** Goes through an object or an array: `while (items.next())`, then `value`, and `name` in an object. */
export class JsonItems {
  private next_: i32;
  private nameAt: i32 = -1;
  private valueAt: i32 = 0;

  constructor(
    private bytes: Uint8Array,
    at: i32,
    private open: u8,
  ) {
    this.next_ = bytes[at] === open ? at + 1 : -1;
  }

  next(): bool {
    if (this.next_ < 0) return false;
    let at = skipSpace(this.bytes, this.next_);
    // } or ]: the end of an empty one, because a comma is stepped over with the value before it.
    if ((this.bytes[at] | 0x20) === 0x7d) {
      this.next_ = -1;
      return false;
    }
    if (this.open === 0x7b) {
      this.nameAt = at;
      // behind the name, and behind the colon
      at = skipSpace(this.bytes, endOf(this.bytes, at)) + 1;
    }
    this.valueAt = at;
    const after = endOf(this.bytes, at);
    this.next_ = this.bytes[after] === 0x2c ? after + 1 : -1;
    return true;
  }

  get value(): JsonValue {
    return new JsonValue(this.bytes, this.valueAt);
  }

  /** Of a member; "" in an array. */
  get name(): string {
    return this.nameAt < 0 ? "" : stringAt(this.bytes, this.nameAt);
  }

  isNamed(name: string): bool {
    return this.nameAt >= 0 && stringAt(this.bytes, this.nameAt) === name;
  }
}

function skipSpace(bytes: Uint8Array, at: i32): i32 {
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
  return at;
}

/** Behind the value at `at`, and behind white space. The document was scanned before: there is no fault to find. */
function endOf(bytes: Uint8Array, at: i32): i32 {
  const scanner = new Scanner(bytes);
  scanner.at = at;
  scanner.value(0);
  return scanner.at;
}

function stringAt(bytes: Uint8Array, at: i32): string {
  const start = at + 1;
  let end = start;
  let plain = true;
  for (; bytes[end] !== 0x22; end++) {
    if (bytes[end] !== 0x5c) continue;
    plain = false;
    end++;
  }
  if (plain) return String.UTF8.decodeUnsafe(bytes.dataStart + start, end - start);
  return unescape(bytes, start, end);
}

/** The text between the quotes, its escapes resolved. It is never longer than it was written. */
function unescape(bytes: Uint8Array, start: i32, end: i32): string {
  const out = new Uint8Array(end - start);
  let size = 0;
  for (let at = start; at < end; at++) {
    let byte = bytes[at];
    if (byte === 0x5c) {
      byte = bytes[++at];
      if (byte === 0x75) {
        let text = String.fromCharCode(unitAt(bytes, at + 1));
        at += 4;
        if ((text.charCodeAt(0) & 0xfc00) === 0xd800) {
          text += String.fromCharCode(unitAt(bytes, at + 3));
          at += 6;
        }
        const encoded = utf8(text);
        out.set(encoded, size);
        size += encoded.length;
        continue;
      }
      if (byte === 0x62) byte = 8;
      else if (byte === 0x66) byte = 12;
      else if (byte === 0x6e) byte = 10;
      else if (byte === 0x72) byte = 13;
      else if (byte === 0x74) byte = 9;
    }
    out[size++] = byte;
  }
  return String.UTF8.decodeUnsafe(out.dataStart, size);
}

function unitAt(bytes: Uint8Array, at: i32): i32 {
  let unit = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i];
    unit = (unit << 4) | (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57);
  }
  return unit;
}
