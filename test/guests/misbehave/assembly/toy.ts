/** A working cipher that protects nothing: AES-GCM through `kleidi:crypto` under a public key. */
import { concat, crypto, HostReply } from "../../../../sdk/assemblyscript/assembly";

const NONCE = 12;

/** nonce ‖ ciphertext ‖ tag */
export function seal(nonce: Uint8Array, plaintext: Uint8Array, associated_data: Uint8Array): Uint8Array {
  const sealed = crypto.aeadSeal(toyKey(), nonce, plaintext, associated_data);
  if (!sealed.ok) unreachable();
  return concat(nonce, sealed.body);
}

export function open(sealed: Uint8Array, associated_data: Uint8Array): HostReply {
  return crypto.aeadOpen(toyKey(), sealed.slice(0, NONCE), sealed.slice(NONCE), associated_data);
}

export function freshNonce(): Uint8Array {
  const nonce = crypto.random(NONCE);
  if (!nonce.ok) unreachable();
  return nonce.body;
}

/** A good ciphertext of exactly `size` bytes: u16(length of the sealed bytes), sealed bytes, zeros. */
export function padded(sealed: Uint8Array, size: i32): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes[0] = (sealed.length >> 8) as u8;
  bytes[1] = sealed.length as u8;
  bytes.set(sealed, 2);
  return bytes;
}

export function unpadded(ciphertext: Uint8Array): Uint8Array {
  const length = ((ciphertext[0] as i32) << 8) | (ciphertext[1] as i32);
  return ciphertext.slice(2, 2 + length);
}

function toyKey(): Uint8Array {
  return new Uint8Array(32).fill(7);
}
