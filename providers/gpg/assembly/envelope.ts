/**
 * A message's outside, which needs no key to be read: how the key comes from the passphrase (tag 3, RFC 4880, 5.3), then the
 * encrypted and protected data (tag 18, 5.13). Every number that it may have is one value here; gpg can be told to write them.
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
 * What a new message has for a count: 65,536 bytes. Iterations make guessing dear, and here is nothing to guess: the passphrase is 256
 * random bits. A small count keeps Encrypt and Decrypt quick, and gpg opens it all the same. This is the least that gpg itself ever
 * chooses.
 */
const CODED_COUNT: u8 = 0x60;
export const COUNT: u32 = countOf(CODED_COUNT);

export class Envelope {
  /** Why it cannot be read; "" if it can. */
  fault: string = "";
  salt: Uint8Array = new Uint8Array(0);
  /** Bytes that are hashed for the key. */
  count: u32 = 0;
  /** Of the protected data, behind its version. */
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

/** The message is these two packets and nothing behind them. */
export function readEnvelope(message: Uint8Array): Envelope {
  const envelope = new Envelope();
  const from = new Cursor(message);
  const key = readPacket(from);
  envelope.fault = key.fault.length > 0 ? key.fault : readKey(key, envelope);
  if (envelope.fault.length > 0) return envelope;
  const data = readPacket(from);
  envelope.fault = data.fault.length > 0 ? data.fault : readData(data, envelope);
  if (envelope.fault.length === 0 && from.left > 0) envelope.fault = "something follows its data";
  return envelope;
}

/** Gives what is wrong, or "". */
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
  // SHA-1 (2) too, which gpg has by default
  if (digest !== SHA_256) return expected("S2K digest", digest, SHA_256, "--s2k-digest-algo SHA256");
  if (!from.ok) return "its key packet is cut short";
  return from.left > 0 ? "its key is not the one from the passphrase: it carries another one" : "";
}

/** Gives what is wrong, or "". */
function readData(packet: Packet, to: Envelope): string {
  // tag 9 is data without protection: reading it would let anybody take the protection away
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
