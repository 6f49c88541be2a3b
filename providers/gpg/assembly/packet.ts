/** OpenPGP's packets: a tag, a length and a body (RFC 4880, 4.2). */
import { concat, decimal } from "../../../sdk/assemblyscript/assembly";
import { Cursor } from "./cursor";

/** RFC 4880, 4.3. */
export const enum Tag {
  SYMMETRIC_KEY = 3,
  COMPRESSED = 8,
  LITERAL = 11,
  PROTECTED = 18,
}

/** Minimum size of the first part of a body; only data packets may have parts (RFC 4880, 4.2.2.4). */
const MIN_FIRST_PART: u32 = 512;

export class Packet {
  /** The reason why it cannot be read; "" if it can. */
  fault: string = "";
  tag: i32 = 0;
  /** The complete body: its parts are joined. */
  body: Uint8Array = new Uint8Array(0);
}

/** Writes a packet in the new format, with the shortest length. */
export function packet(tag: Tag, body: Uint8Array): Uint8Array {
  const length = body.length;
  const short = length < 192;
  const head = new Uint8Array(short ? 2 : 3);
  head[0] = 0xc0 | (tag as u8);
  if (short) head[1] = length as u8;
  else {
    // A message of the contract is far below 8,384 bytes, the limit of a two-byte length.
    head[1] = (192 + ((length - 192) >> 8)) as u8;
    head[2] = (length - 192) as u8;
  }
  return concat(head, body);
}

/** Reads the next packet, in either format. */
export function readPacket(from: Cursor): Packet {
  const packet = new Packet();
  const first = from.number(1);
  if (!from.ok) packet.fault = "it ends where a packet should begin";
  else if ((first & 0x80) === 0)
    packet.fault = "a packet has no valid first byte; armored messages are not supported";
  else if ((first & 0x40) === 0) readOld(packet, first, from);
  else readNew(packet, first, from);
  if (packet.fault.length === 0 && !from.ok) packet.fault = "a packet is truncated";
  return packet;
}

/** The old format (RFC 4880, 4.2.1): the first byte has the type of the length. */
function readOld(packet: Packet, first: u32, from: Cursor): void {
  packet.tag = ((first >> 2) & 0x0f) as i32;
  const kind = first & 3;
  if (kind === 3) packet.fault = "a packet has no length";
  else packet.body = from.take(from.number(1 << (kind as i32)));
}

/** The new format (RFC 4880, 4.2.2): a length, or parts and then a length. */
function readNew(packet: Packet, first: u32, from: Cursor): void {
  packet.tag = (first & 0x3f) as i32;
  let parts = 0;
  while (from.ok) {
    const head = from.number(1);
    if (head < 224 || head === 255) {
      packet.body = concat(packet.body, from.take(wholeLength(head, from)));
      return;
    }
    const length: u32 = (1 as u32) << (head & 0x1f);
    if (packet.tag !== Tag.LITERAL && packet.tag !== Tag.PROTECTED) {
      packet.fault = `a packet of tag ${decimal(packet.tag)} comes in parts`;
      return;
    }
    if (parts++ === 0 && length < MIN_FIRST_PART) {
      packet.fault = `a packet's first part is ${decimal(length)} bytes, at least ${decimal(MIN_FIRST_PART)} are needed`;
      return;
    }
    packet.body = concat(packet.body, from.take(length));
  }
}

function wholeLength(head: u32, from: Cursor): u32 {
  if (head < 192) return head;
  if (head === 255) return from.number(4);
  return ((head - 192) << 8) + from.number(1) + 192;
}
