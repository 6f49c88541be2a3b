/** The content: one literal data packet (RFC 4880, 5.9), a file with a name. The name binds the message to its associated data. */
import { concat, decimal, same, utf8 } from "../../../sdk/assemblyscript/assembly";
import { Cursor } from "./cursor";
import { packet, readPacket, Tag } from "./packet";

/** "b": bytes as they are. */
const BINARY: u8 = 0x62;
const DATE = 4;
const OURS = "kleidi:";
/** 128 bits of the hash: an attacker cannot choose associated data, so collisions do not matter. */
const NAMED = 16;

export class Literal {
  /** The reason why it cannot be read; "" if it can. */
  fault: string = "";
  name: Uint8Array = new Uint8Array(0);
  data: Uint8Array = new Uint8Array(0);
}

/** Returns the file name of a message that is bound to associated data with this SHA-256. */
export function nameFor(digest: Uint8Array): Uint8Array {
  const name = new Uint8Array(OURS.length + 2 * NAMED);
  name.set(utf8(OURS));
  for (let i = 0; i < NAMED; i++) {
    name[OURS.length + 2 * i] = hexDigit(digest[i] >> 4);
    name[OURS.length + 2 * i + 1] = hexDigit(digest[i] & 15);
  }
  return name;
}

/** Checks if the name binds the message to associated data; then it must match. */
export function isOurs(name: Uint8Array): bool {
  return name.length >= OURS.length && same(name.subarray(0, OURS.length), utf8(OURS));
}

/** Writes the packet. Its date is 0, which means none: a guest has no clock. */
export function writeLiteral(name: Uint8Array, data: Uint8Array): Uint8Array {
  const head = new Uint8Array(2 + name.length + DATE);
  head[0] = BINARY;
  head[1] = name.length as u8;
  head.set(name, 2);
  return packet(Tag.LITERAL, concat(head, data));
}

export function readLiteral(content: Uint8Array): Literal {
  const literal = new Literal();
  const outer = new Cursor(content);
  const packet = readPacket(outer);
  literal.fault =
    packet.tag === Tag.COMPRESSED
      ? "its content is compressed; create it with --compress-algo none"
      : packet.fault;
  if (literal.fault.length > 0) return literal;
  if (packet.tag !== Tag.LITERAL) {
    literal.fault = `its content is a packet of tag ${decimal(packet.tag)}, only ${decimal(Tag.LITERAL)} is read`;
    return literal;
  }
  const from = new Cursor(packet.body);
  const format = from.number(1);
  literal.name = from.take(from.number(1));
  from.take(DATE);
  literal.data = from.take(from.left);
  if (!from.ok) literal.fault = "its content is truncated";
  else if (format !== BINARY) literal.fault = "its content is text; create it without --textmode";
  else if (outer.left > 0) literal.fault = "it has bytes after its content";
  return literal;
}

function hexDigit(value: u8): u8 {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
