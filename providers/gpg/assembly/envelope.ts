/**
 * The outer part of a message, readable without a key: the derivation of the key from the passphrase (tag 3, RFC 4880, 5.3), then the
 * encrypted and protected data (tag 18, 5.13). Each field may have only one value here; gpg has options to write these values.
 */
import { concat, decimal } from "../../../sdk/assemblyscript/assembly";
import { Cursor } from "./cursor";
import { Packet, packet, readPacket, Tag } from "./packet";

/** RFC 4880, 9.2, 3.7.1 and 9.4. */
const AES_256: u8 = 9;
const ITERATED_AND_SALTED: u8 = 3;
const SHA_256: u8 = 8;

export const SALT = 8;
export const KEY = 32;

/**
 * The count of a new message: 65,536 bytes. Iterations make guessing expensive, but nothing can be guessed: the passphrase is 256
 * random bits. A small count keeps Encrypt and Decrypt fast, and gpg accepts it. It is the smallest count that gpg itself
 * chooses.
 */
const CODED_COUNT: u8 = 0x60;
export const COUNT: u32 = countOf(CODED_COUNT);

export class Envelope {
  /** The reason why it cannot be read; "" if it can. */
  fault: string = "";
  salt: Uint8Array = new Uint8Array(0);
  /** The number of bytes to hash for the key. */
  count: u32 = 0;
  /** The protected data without its version. */
  encrypted: Uint8Array = new Uint8Array(0);
}

/** RFC 4880, 3.7.1.3: 1,024 to 65,011,712. */
function countOf(coded: u32): u32 {
  return (16 + (coded & 15)) << ((coded >> 4) + 6);
}

export function writeEnvelope(salt: Uint8Array, encrypted: Uint8Array): Uint8Array {
  const key = new Uint8Array(4 + SALT + 1);
  key[0] = 4;
  key[1] = AES_256;
  key[2] = ITERATED_AND_SALTED;
  key[3] = SHA_256;
  key.set(salt, 4);
  key[4 + SALT] = CODED_COUNT;
  const version = new Uint8Array(1).fill(1);
  return concat(packet(Tag.SYMMETRIC_KEY, key), packet(Tag.PROTECTED, concat(version, encrypted)));
}

/** Reads a message: these two packets and nothing after them. */
export function readEnvelope(message: Uint8Array): Envelope {
  const envelope = new Envelope();
  const from = new Cursor(message);
  const key = readPacket(from);
  envelope.fault = key.fault.length > 0 ? key.fault : readKey(key, envelope);
  if (envelope.fault.length > 0) return envelope;
  const data = readPacket(from);
  envelope.fault = data.fault.length > 0 ? data.fault : readData(data, envelope);
  if (envelope.fault.length === 0 && from.left > 0) envelope.fault = "it has bytes after its data";
  return envelope;
}

/** Returns the fault, or "". */
function readKey(packet: Packet, to: Envelope): string {
  if (packet.tag !== Tag.SYMMETRIC_KEY) {
    return expected("packet", packet.tag, Tag.SYMMETRIC_KEY, "a key from a passphrase");
  }
  const from = new Cursor(packet.body);
  const version = from.number(1);
  const cipher = from.number(1);
  const kind = from.number(1);
  const digest = from.number(1);
  to.salt = from.take(SALT);
  to.count = countOf(from.number(1));
  if (version !== 4) return expected("key packet's version", version, 4, "that of RFC 4880");
  if (cipher !== AES_256) return expected("cipher", cipher, AES_256, "--cipher-algo AES256");
  if (kind !== ITERATED_AND_SALTED) return expected("S2K", kind, ITERATED_AND_SALTED, "--s2k-mode 3");
  // This refuses SHA-1 (2) too, gpg's default.
  if (digest !== SHA_256) return expected("S2K digest", digest, SHA_256, "--s2k-digest-algo SHA256");
  if (!from.ok) return "its key packet is truncated";
  return from.left > 0 ? "its key is not the one from the passphrase: it carries another one" : "";
}

/** Returns the fault, or "". */
function readData(packet: Packet, to: Envelope): string {
  // Tag 9 is data without protection: accepting it would let an attacker strip the protection.
  if (packet.tag !== Tag.PROTECTED) {
    return expected("data packet", packet.tag, Tag.PROTECTED, "data with modification detection");
  }
  const from = new Cursor(packet.body);
  const version = from.number(1);
  if (version !== 1) return expected("data packet's version", version, 1, "that of RFC 4880");
  to.encrypted = from.take(from.left);
  return "";
}

function expected(what: string, is: u32, should: u32, means: string): string {
  return `its ${what} is ${decimal(is)}, only ${decimal(should)} is read (${means})`;
}
