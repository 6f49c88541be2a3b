/**
 * Protobuf as docs/ABI.md, section 4, uses it: fields are VARINT or LEN. The reader skips any other field, whatever its wire type, and
 * stops at the first fault.
 */
import { same, utf8 } from "./bytes";

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const GROUP: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED32: u32 = 5;

const MAX_FIELD: u64 = 0x1fffffff;
/** Levels of groups inside an unknown field. The call stack is the guest's own, so a bound is enough. */
const MAX_DEPTH: i32 = 16;

/**
 * Reads one message: call `next`, then one typed read, or `skip`, for `field`. Check `ok` after the last field.
 *
 * @param bytes the message; copied by every read
 * @example
 * ```ts
 * const reader = new protobuf.Reader(new Uint8Array(0));
 * let version = "";
 * while (reader.next()) {
 *   if (reader.field === 1) version = reader.string();
 *   else reader.skip();
 * }
 * if (!reader.ok) log.warn("malformed message");
 * ```
 */
export class Reader {
  /** The number of the field that `next` found. */
  field: u32 = 0;
  /** False after the first fault: a truncated value, a varint over 10 bytes, a wrong wire type, invalid UTF-8. */
  ok: bool = true;
  private at: i32 = 0;
  private wire: u32 = 0;

  constructor(private bytes: Uint8Array) {}

  /**
   * Goes to the next field.
   * @returns false at the end of the message and after a fault
   */
  next(): bool {
    if (!this.ok || this.at === this.bytes.length) return false;
    const tag = this.varint();
    this.wire = (tag & 7) as u32;
    this.field = (tag >> 3) as u32;
    if (tag >> 3 === 0 || tag >> 3 > MAX_FIELD) this.ok = false;
    return this.ok;
  }

  /**
   * Reads a uint32; drops higher bits, as every protobuf reader does.
   * @returns the value; 0 after a fault
   */
  uint32(): u32 {
    if (this.wire !== VARINT) this.ok = false;
    return this.varint() as u32;
  }

  /**
   * Reads a LEN field.
   * @returns a copy of its bytes; empty after a fault
   */
  bytesValue(): Uint8Array {
    const length = this.length();
    this.at += length;
    return this.bytes.slice(this.at - length, this.at);
  }

  /**
   * Reads a LEN field as UTF-8.
   * @returns the text; invalid UTF-8 clears `ok`
   */
  string(): string {
    const bytes = this.bytesValue();
    const text = String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
    // The standard library's decoder is lenient; only well-formed UTF-8 encodes to the same bytes again.
    if (!same(bytes, utf8(text))) this.ok = false;
    return text;
  }

  /** Skips the field. */
  skip(): void {
    this.skipValue(0);
  }

  private skipValue(depth: i32): void {
    if (this.wire === VARINT) this.varint();
    else if (this.wire === FIXED64) this.advance(8);
    else if (this.wire === LEN) this.advance(this.length());
    else if (this.wire === FIXED32) this.advance(4);
    else if (this.wire === GROUP && depth < MAX_DEPTH) this.skipGroup(depth);
    else this.ok = false;
  }

  private skipGroup(depth: i32): void {
    const group = this.field;
    while (this.next()) {
      if (this.wire === GROUP_END) {
        if (this.field !== group) this.ok = false;
        return;
      }
      this.skipValue(depth + 1);
    }
    // The message ended inside the group.
    this.ok = false;
  }

  /** The length of a LEN value that is in the message to its last byte; 0 after a fault. */
  private length(): i32 {
    if (this.wire !== LEN) this.ok = false;
    const length = this.varint();
    // Compared as u64: a length near 2^64 must not wrap around.
    const left = (this.bytes.length - this.at) as u64;
    if (length > left) this.ok = false;
    return this.ok ? (length as i32) : 0;
  }

  private advance(count: i32): void {
    if (this.bytes.length - this.at < count) this.ok = false;
    else this.at += count;
  }

  private varint(): u64 {
    let value: u64 = 0;
    for (let shift: u64 = 0; shift < 70; shift += 7) {
      if (!this.ok || this.at === this.bytes.length) break;
      const byte = this.bytes[this.at++];
      value |= ((byte & 0x7f) as u64) << shift;
      if (byte < 0x80) return value;
    }
    this.ok = false;
    return 0;
  }
}

/**
 * Writes one message. Fields with their default value are left out, as in proto3; `element` writes an empty one too.
 *
 * @example
 * ```ts
 * const message = new protobuf.Writer().string(1, "kek").bytesValue(2, utf8("seed")).finish();
 * ```
 */
export class Writer {
  private bytes: Uint8Array = new Uint8Array(256);
  private at: i32 = 0;

  /**
   * Writes a uint32; nothing for 0.
   * @param field the field number, 1 to 536,870,911
   * @param value 0 to 4,294,967,295
   * @returns this writer
   */
  uint32(field: u32, value: u32): this {
    if (value === 0) return this;
    this.varint((field << 3) | VARINT);
    this.varint(value);
    return this;
  }

  /**
   * Writes bytes; nothing for no bytes.
   * @param field the field number, 1 to 536,870,911
   * @param value any length
   * @returns this writer
   */
  bytesValue(field: u32, value: Uint8Array): this {
    return value.length === 0 ? this : this.element(field, value);
  }

  /**
   * Writes text; nothing for "".
   * @param field the field number, 1 to 536,870,911
   * @param value any string
   * @returns this writer
   */
  string(field: u32, value: string): this {
    return this.bytesValue(field, utf8(value));
  }

  /**
   * Writes one element of a repeated field, or a nested message.
   * @param field the field number, 1 to 536,870,911
   * @param value its bytes, which may be empty
   * @returns this writer
   */
  element(field: u32, value: Uint8Array): this {
    this.varint((field << 3) | LEN);
    this.varint(value.length);
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  /**
   * Returns the message so far.
   * @returns a copy of its bytes
   */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  private varint(value: u32): void {
    this.reserve(5);
    for (; value > 0x7f; value >>= 7) this.bytes[this.at++] = ((value & 0x7f) | 0x80) as u8;
    this.bytes[this.at++] = value as u8;
  }

  private reserve(count: i32): void {
    const need = this.at + count;
    if (need <= this.bytes.length) return;
    const larger = new Uint8Array(max(need, this.bytes.length * 2));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
