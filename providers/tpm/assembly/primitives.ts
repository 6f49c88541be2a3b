/**
 * `kleidi:crypto` as this provider uses it: one hash, one cipher, results instead of replies. These computations fail only if the
 * call's budget of host calls is used up; then the call traps, because continuing without a MAC would be worse than a missing message.
 */
import { concat, crypto, HostReply, utf8 } from "../../../sdk/assemblyscript/assembly";

/** Unused random bytes of this call: one host call for 256 bytes suffices for nearly every call. */
let pool = new Uint8Array(0);

export function random(length: i32): Uint8Array {
  if (pool.length < length) pool = sure(crypto.random(256));
  const taken = pool.slice(0, length);
  pool = pool.slice(length);
  return taken;
}

export function sha256(data: Uint8Array): Uint8Array {
  return sure(crypto.digest("sha256", data));
}

export function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return sure(crypto.hmac("sha256", key, data));
}

/** `keyAndIv`: 16 bytes of AES key and 16 of iv, the output of KDFa. */
export function cfbEncrypt(keyAndIv: Uint8Array, data: Uint8Array): Uint8Array {
  return sure(crypto.aesCfbEncrypt(keyAndIv.slice(0, 16), keyAndIv.slice(16), data));
}

export function cfbDecrypt(keyAndIv: Uint8Array, data: Uint8Array): Uint8Array {
  return sure(crypto.aesCfbDecrypt(keyAndIv.slice(0, 16), keyAndIv.slice(16), data));
}

/** Compares two codes in constant time. */
export function equalCodes(a: Uint8Array, b: Uint8Array): bool {
  if (a.length !== b.length) return false;
  let difference: u8 = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

/** Text with the zero byte that ends a label in KDFa, KDFe and SP 800-108. */
export function label(text: string): Uint8Array {
  return concat(utf8(text), new Uint8Array(1));
}

function sure(reply: HostReply): Uint8Array {
  if (!reply.ok) unreachable();
  return reply.body;
}
