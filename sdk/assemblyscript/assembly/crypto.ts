/** `kleidi:crypto`: computations on bytes that the guest has already. Sizes and results: docs/ABI.md, section 5. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import * as env from "./imports";
import { Writer } from "./protobuf";

/** 1 to 256 random bytes. */
export function random(length: u32): HostReply {
  const request = toBlock(new Writer().uint32(1, length).finish());
  return finish(request, env.crypto_random(request));
}

/** `algorithm`: "sha256", "sha384" or "sha512". */
export function digest(algorithm: string, data: Uint8Array): HostReply {
  const request = toBlock(new Writer().string(1, algorithm).bytesValue(2, data).finish());
  return finish(request, env.crypto_digest(request));
}

/** RFC 2104. */
export function hmac(algorithm: string, key: Uint8Array, data: Uint8Array): HostReply {
  const request = toBlock(three(algorithm, key, data));
  return finish(request, env.crypto_hmac(request));
}

/** RFC 5869, extract and expand; 1 to 256 bytes. */
export function hkdf(
  algorithm: string,
  key: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: u32,
): HostReply {
  const message = new Writer()
    .string(1, algorithm)
    .bytesValue(2, key)
    .bytesValue(3, salt)
    .bytesValue(4, info);
  const request = toBlock(message.uint32(5, length).finish());
  return finish(request, env.crypto_hkdf(request));
}

/** AES-GCM, the key 16 or 32 bytes, the nonce 12 and never used twice. Body: ciphertext, then 16 bytes of tag. */
export function aeadSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(aead(key, nonce, plaintext, associated_data));
  return finish(request, env.crypto_aead_seal(request));
}

/** The reverse of `aeadSeal`; code NOT_AUTHENTIC where the tag is wrong. */
export function aeadOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(aead(key, nonce, sealed, associated_data));
  return finish(request, env.crypto_aead_open(request));
}

/** AES-CFB128, the key 16 or 32 bytes, the iv 16. It authenticates nothing: for OpenPGP and TPM formats only. */
export function aesCfbEncrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array): HostReply {
  const request = toBlock(new Writer().bytesValue(1, key).bytesValue(2, iv).bytesValue(3, data).finish());
  return finish(request, env.crypto_aes_cfb_encrypt(request));
}

/** The reverse of `aesCfbEncrypt`. */
export function aesCfbDecrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array): HostReply {
  const request = toBlock(new Writer().bytesValue(1, key).bytesValue(2, iv).bytesValue(3, data).finish());
  return finish(request, env.crypto_aes_cfb_decrypt(request));
}

/** `curve`: "P-256" or "P-384". Body: the shared x coordinate, or the public point where `peer` is empty. */
export function ecdh(curve: string, private_key: Uint8Array, peer: Uint8Array): HostReply {
  const request = toBlock(three(curve, private_key, peer));
  return finish(request, env.crypto_ecdh(request));
}

function three(name: string, second: Uint8Array, third: Uint8Array): Uint8Array {
  return new Writer().string(1, name).bytesValue(2, second).bytesValue(3, third).finish();
}

function aead(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, associated_data: Uint8Array): Uint8Array {
  const message = new Writer().bytesValue(1, key).bytesValue(2, nonce).bytesValue(3, data);
  return message.bytesValue(4, associated_data).finish();
}
