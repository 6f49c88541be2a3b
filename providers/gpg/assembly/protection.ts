/**
 * The inside of protected data (RFC 4880, 5.13 and 5.14): 16 random bytes and the last two of them again, the content, and the
 * modification detection code: D3 14 and the SHA-1 of everything before it. All of it is encrypted.
 */
import { concat } from "../../../sdk/assemblyscript/assembly";
import { sha1 } from "./sha1";

/** The cipher's block. */
export const RANDOM = 16;
const PREFIX = RANDOM + 2;
const HASH = 20;
/** Tag 19 in the new format, and its length. */
const CODE_HEAD = 2;

export function protect(random: Uint8Array, content: Uint8Array): Uint8Array {
  const prefix = concat(random, random.slice(RANDOM - 2));
  const head = new Uint8Array(CODE_HEAD);
  head[0] = 0xd3;
  head[1] = HASH as u8;
  const hashed = concat(concat(prefix, content), head);
  return concat(hashed, sha1(hashed));
}

/** Checks that the data is unchanged and the key correct. No other code may read the bytes before this check. */
export function isIntact(data: Uint8Array): bool {
  if (data.length < PREFIX + CODE_HEAD + HASH) return false;
  const end = data.length - HASH;
  const hash = sha1(data.subarray(0, end));
  // One answer for every fault, in the same time: a separate answer for the repeated bytes would reveal two bytes of plaintext to
  // an attacker who may ask often (RFC 4880, section 14; Mister and Zuccherato, 2005).
  let differs: u8 = data[end - CODE_HEAD] ^ 0xd3;
  differs |= data[end - 1] ^ (HASH as u8);
  differs |= data[RANDOM] ^ data[RANDOM - 2];
  differs |= data[RANDOM + 1] ^ data[RANDOM - 1];
  for (let i = 0; i < HASH; i++) differs |= data[end + i] ^ hash[i];
  return differs === 0;
}

/** Returns the content of intact data. */
export function contentOf(data: Uint8Array): Uint8Array {
  return data.slice(PREFIX, data.length - CODE_HEAD - HASH);
}
