/** Values of a JSON document, read where they stand in its bytes: nothing is built that is not asked for. */
import { Scanner } from "./scan";
import { Units } from "./units";

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
    return String.UTF8.decodeUnsafe(
      this.bytes.dataStart + this.at,
      new Scanner(this.bytes).behind(this.at) - this.at,
    );
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
}

/** Goes through an object or an array: `while (items.next())`, then `value`, and `name` in an object. */
export class JsonItems {
  private next_: i32;
  private nameAt: i32 = -1;
  private valueAt: i32 = 0;
  // One of each for all items: a guest's memory is not freed during a call.
  private scanner: Scanner;
  private units: Units;

  constructor(
    private bytes: Uint8Array,
    at: i32,
    private open: u8,
  ) {
    this.scanner = new Scanner(bytes);
    this.units = new Units(bytes);
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
      at = this.scanner.behind(at) + 1;
    }
    this.valueAt = at;
    const after = this.scanner.behind(at);
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
    return this.nameAt >= 0 && this.units.same(this.nameAt, name);
  }
}

function skipSpace(bytes: Uint8Array, at: i32): i32 {
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
  return at;
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
  // There are never more units than bytes.
  const out = new Uint16Array(end - start);
  const units = new Units(bytes);
  units.from(at);
  let size = 0;
  for (let unit = units.next(); unit >= 0; unit = units.next()) out[size++] = unit as u16;
  return String.UTF16.decodeUnsafe(out.dataStart, size << 1);
}
