/**
 * The ciphertext: format (01 hmac, 02 sealed), key id (16), nonce (32), then AES-256-GCM's ciphertext and tag.
 *
 * The AES key is derived from the KEK and the 32 random bytes of nonce, so it seals exactly one message, and GCM's own nonce can be twelve zeros. Under the
 * cipher are these first 49 bytes and the request's associated data, with its length between them.
 */
import { concat, crypto, HostReply } from "../../../sdk/assemblyscript/assembly";
import { Out } from "./marshal";

export const NONCE = 32;
const ID = 16;
const HEADER = 1 + ID + NONCE;
/** Header, one byte of plaintext, tag. */
export const MIN_CIPHERTEXT = HEADER + 1 + 16;

export function seal(
  format: u8,
  keyId: Uint8Array,
  nonce: Uint8Array,
  key: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array,
): HostReply {
  const header = new Out().u8(format).raw(keyId).raw(nonce).finish();
  const sealed = crypto.aeadSeal(key, new Uint8Array(12), plaintext, bound(header, associated));
  if (sealed.ok) sealed.body = concat(header, sealed.body);
  return sealed;
}

export function open(ciphertext: Uint8Array, key: Uint8Array, associated: Uint8Array): HostReply {
  const header = ciphertext.slice(0, HEADER);
  return crypto.aeadOpen(key, new Uint8Array(12), ciphertext.slice(HEADER), bound(header, associated));
}

export function keyIdOf(ciphertext: Uint8Array): Uint8Array {
  return ciphertext.slice(1, 1 + ID);
}

export function nonceOf(ciphertext: Uint8Array): Uint8Array {
  return ciphertext.slice(1 + ID, HEADER);
}

function bound(header: Uint8Array, associated: Uint8Array): Uint8Array {
  return new Out().raw(header).u32(associated.length).raw(associated).finish();
}
