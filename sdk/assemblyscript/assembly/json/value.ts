/** Values of a JSON document, read in place from its bytes: only the values that the caller asks for are built. */
import { Scanner } from "./scan";
import { Units } from "./units";

/**
 * Parses one JSON document (I-JSON, RFC 7493): UTF-8 without a byte order mark, no lone surrogates, at most 32 levels deep.
 *
 * @param bytes the document, with nothing after it but white space
 * @returns its value; null if the bytes are not such a document
 * @throws Nothing.
 * @example
 * ```ts
 * const document = json.parse(utf8('{"key_version":3}'));
 * if (document == null) fail<EncryptReply>(FailureCode.FAULT, "Cannot encrypt: the KMS answered invalid JSON");
 * ```
 */
export function parse(bytes: Uint8Array): JsonValue | null {
  return new Scanner(bytes).document() ? new JsonValue(bytes, 0) : null;
}

/**
 * A value of a document. Each reader returns null if the value has another type, so no type check is needed before it.
 *
 * @example
 * ```ts
 * const document = json.parse(utf8('{"ciphertext":"vault:v1:abc"}'));
 * if (document != null) {
 *   const ciphertext = document.get("ciphertext");
 *   if (ciphertext == null || ciphertext.text() == null) log.warn("no ciphertext");
 * }
 * ```
 */
export class JsonValue {
  private at: i32;

  /** @internal Only for `parse` and this file: `bytes` is a document, and `at` a value or white space before one. */
  constructor(
    private bytes: Uint8Array,
    at: i32,
  ) {
    while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
    this.at = at;
  }

  /** True for null. */
  get isNull(): bool {
    return this.bytes[this.at] === 0x6e;
  }

  /** True for true. */
  get isTrue(): bool {
    return this.bytes[this.at] === 0x74;
  }

  /** True for false. */
  get isFalse(): bool {
    return this.bytes[this.at] === 0x66;
  }

  /**
   * Reads a string.
   * @returns the text; null if this is not a string
   */
  text(): string | null {
    return this.bytes[this.at] === 0x22 ? stringAt(this.bytes, this.at) : null;
  }

  /**
   * Reads a number as the document writes it.
   * @returns its characters; null if this is not a number
   */
  number(): string | null {
    const first = this.bytes[this.at];
    if (first !== 0x2d && (first < 0x30 || first > 0x39)) return null;
    return String.UTF8.decodeUnsafe(
      this.bytes.dataStart + this.at,
      new Scanner(this.bytes).behind(this.at) - this.at,
    );
  }

  /**
   * Reads an integer that every reader understands alike (RFC 7493, 2.2). 1.0 and 1e3 are not integers here.
   * @returns 0 to 2^53 - 1; -1 if this is anything else
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

  /**
   * Reads a string that is a member of an object.
   * @param name the member's name, unescaped
   * @returns the text; "" if there is no such member, or it is not a string
   */
  textOf(name: string): string {
    const value = this.get(name);
    if (value == null) return "";
    const text = value.text();
    return text == null ? "" : text;
  }

  /**
   * Finds a member of an object. A name that occurs twice is not found: readers differ in which one they take.
   * @param name the member's name, unescaped
   * @returns its value; null if there is no such member, or this is not an object
   */
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

  /**
   * Lists the members of an object in order, with duplicates.
   * @returns an iterator; empty if this is not an object
   */
  members(): JsonItems {
    return new JsonItems(this.bytes, this.at, 0x7b);
  }

  /**
   * Lists the elements of an array in order.
   * @returns an iterator; empty if this is not an array
   */
  elements(): JsonItems {
    return new JsonItems(this.bytes, this.at, 0x5b);
  }
}

/**
 * Iterates over an object or an array: call `next`, then read `value`, and `name` in an object.
 *
 * @example
 * ```ts
 * const document = json.parse(utf8('{"a":1,"b":2}'));
 * if (document != null) {
 *   const items = document.members();
 *   while (items.next()) log.debug(items.name);
 * }
 * ```
 */
export class JsonItems {
  private next_: i32;
  private nameAt: i32 = -1;
  private valueAt: i32 = 0;
  // One of each for all items: memory is not freed during a call.
  private scanner: Scanner;
  private units: Units;

  /** @internal Only for `JsonValue`. */
  constructor(
    private bytes: Uint8Array,
    at: i32,
    private open: u8,
  ) {
    this.scanner = new Scanner(bytes);
    this.units = new Units(bytes);
    this.next_ = bytes[at] === open ? at + 1 : -1;
  }

  /**
   * Goes to the next item.
   * @returns false at the end
   */
  next(): bool {
    if (this.next_ < 0) return false;
    let at = skipSpace(this.bytes, this.next_);
    // } or ]: only of an empty object or array, because a comma is consumed with the value before it.
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

  /** The current item's value. */
  get value(): JsonValue {
    return new JsonValue(this.bytes, this.valueAt);
  }

  /** The current member's name; "" in an array. */
  get name(): string {
    return this.nameAt < 0 ? "" : stringAt(this.bytes, this.nameAt);
  }

  /**
   * Compares the current member's name without building it.
   * @param name the name to compare with, unescaped
   * @returns true if they are equal; false in an array
   */
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
