/**
 * Protobuf, as far as docs/ABI.md, section 4, uses it: fields are VARINT or LEN. The reader steps over any field that it
 * is not asked for, whatever its wire type, and stops for good at the first fault.
 */
import { same, utf8 } from "./bytes";

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const GROUP: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED32: u32 = 5;

const MAX_FIELD: u64 = 0x1fffffff;
/** Groups inside groups inside an unknown field. The stack is the guest's own, so a bound is enough. */
const MAX_DEPTH: i32 = 16;

/** Reads one message: `while (reader.next())`, then one typed read, or `skip`, for `reader.field`. */
export class Reader {
  /** Number of the field that `next` found. */
  field: u32 = 0;
  /** False from the first fault on: a value that is cut off, a varint over 10 bytes, a wrong wire type, bad UTF-8. */
  ok: bool = true;
  private at: i32 = 0;
  private wire: u32 = 0;

  constructor(private bytes: Uint8Array) {}

  /** Goes to the next field; false at the end of the message and after a fault. */
  next(): bool {
    if (!this.ok || this.at === this.bytes.length) return false;
    const tag = this.varint();
    this.wire = (tag & 7) as u32;
    this.field = (tag >> 3) as u32;
    if (tag >> 3 === 0 || tag >> 3 > MAX_FIELD) this.ok = false;
    return this.ok;
  }

  /** A uint32; higher bits are dropped, as every protobuf reader does. */
  uint32(): u32 {
    if (this.wire !== VARINT) this.ok = false;
    return this.varint() as u32;
  }

  /** A copy of a LEN field's bytes. */
  bytesValue(): Uint8Array {
    const length = this.length();
    this.at += length;
    return this.bytes.slice(this.at - length, this.at);
  }

  /** A LEN field as text. */
  string(): string {
    const bytes = this.bytesValue();
    const text = String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
    // The decoder of the standard library is lenient; only well-formed UTF-8 comes back as the same bytes.
    if (!same(bytes, utf8(text))) this.ok = false;
    return text;
  }

  /** Steps over the field. */
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

  /** The length of a LEN value, of which all bytes are there; 0 after a fault. */
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

/** Writes one message. Fields with their default value are left out, as proto3 does; `element` keeps an empty one. */
export class Writer {
  private bytes: Uint8Array = new Uint8Array(256);
  private at: i32 = 0;

  uint32(field: u32, value: u32): this {
    if (value === 0) return this;
    this.varint((field << 3) | VARINT);
    this.varint(value);
    return this;
  }

  bytesValue(field: u32, value: Uint8Array): this {
    return value.length === 0 ? this : this.element(field, value);
  }

  string(field: u32, value: string): this {
    return this.bytesValue(field, utf8(value));
  }

  /** One element of a repeated field, or a message inside this one. */
  element(field: u32, value: Uint8Array): this {
    this.varint((field << 3) | LEN);
    this.varint(value.length);
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  /** The message so far. */
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
