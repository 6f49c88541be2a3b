/** `kleidi:crypto`: computations on bytes that the guest already has. They carry no authority (docs/ABI.md, section 5). */

import { utf8 } from "./bytes";
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import * as env from "./imports";
import { Writer } from "./protobuf";
import { hostTrouble } from "./trouble";

/**
 * Returns random bytes from the host.
 *
 * @param length 1 to 256 bytes
 * @returns a reply; `body` has `length` bytes
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const nonce = crypto.random(12);
 * if (nonce.ok) log.debug("nonce of 12 bytes");
 * ```
 */
export function random(length: u32): HostReply {
  const request = toBlock(new Writer().uint32(1, length).finish());
  return finish(request, env.crypto_random(request));
}

/**
 * Hashes bytes (FIPS 180-4).
 *
 * @param algorithm "sha256", "sha384" or "sha512"
 * @param data the bytes to hash
 * @returns a reply; `body` is the digest of 32, 48 or 64 bytes
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const digest = crypto.digest("sha256", utf8("context"));
 * ```
 */
export function digest(algorithm: string, data: Uint8Array): HostReply {
  const request = toBlock(new Writer().string(1, algorithm).bytesValue(2, data).finish());
  return finish(request, env.crypto_digest(request));
}

/**
 * Makes a short name of a text: the beginning of its SHA-256. For a version that another place must not have.
 *
 * @param text any string
 * @returns 16 hexadecimal digits; "" after a trouble was noted
 * @throws Nothing.
 * @example
 * ```ts
 * const id = crypto.shortHash("/v1/transit/keys/kek");
 * ```
 */
export function shortHash(text: string): string {
  const hash = digest("sha256", utf8(text));
  if (!hash.ok) {
    hostTrouble(hash, "hash the key's name");
    return "";
  }
  let name = "";
  for (let i = 0; i < 8; i++) name += hex(hash.body[i] >> 4) + hex(hash.body[i] & 15);
  return name;
}

function hex(value: u8): string {
  return String.fromCharCode(value < 10 ? 48 + value : 87 + value);
}

/**
 * Computes an authentication code (RFC 2104).
 *
 * @param algorithm "sha256", "sha384" or "sha512"
 * @param key the key
 * @param data the bytes to authenticate
 * @returns a reply; `body` is the code of 32, 48 or 64 bytes
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const tag = crypto.hmac("sha256", new Uint8Array(32), utf8("message"));
 * ```
 */
export function hmac(algorithm: string, key: Uint8Array, data: Uint8Array): HostReply {
  const request = toBlock(three(algorithm, key, data));
  return finish(request, env.crypto_hmac(request));
}

/**
 * Derives a key, extract and expand (RFC 5869).
 *
 * @param algorithm "sha256", "sha384" or "sha512"
 * @param key the input key material
 * @param salt may be empty
 * @param info binds the key to its use
 * @param length 1 to 256 bytes
 * @returns a reply; `body` has `length` bytes
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const key = crypto.hkdf("sha256", new Uint8Array(32), new Uint8Array(0), utf8("mine v1"), 32);
 * ```
 */
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

/**
 * Encrypts and authenticates with AES-GCM (NIST SP 800-38D).
 *
 * @param key 16 or 32 bytes
 * @param nonce 12 bytes, never used twice with this key
 * @param plaintext the bytes to encrypt
 * @param associated_data authenticated, not encrypted
 * @returns a reply; `body` is the ciphertext, then 16 bytes of tag
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const sealed = crypto.aeadSeal(new Uint8Array(32), new Uint8Array(12), utf8("seed"), utf8("context"));
 * ```
 */
export function aeadSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(aead(key, nonce, plaintext, associated_data));
  return finish(request, env.crypto_aead_seal(request));
}

/**
 * Decrypts what `aeadSeal` returned.
 *
 * @param key 16 or 32 bytes
 * @param nonce the 12 bytes that it was sealed with
 * @param sealed the ciphertext, then 16 bytes of tag
 * @param associated_data the same as for `aeadSeal`
 * @returns a reply; `body` is the plaintext
 * @throws Nothing. The reply's `code` reports a failure: NOT_AUTHENTIC if the tag is wrong, INVALID for a size that is not allowed.
 * @example
 * ```ts
 * const opened = crypto.aeadOpen(new Uint8Array(32), new Uint8Array(12), new Uint8Array(20), utf8("context"));
 * if (opened.code === HostCode.NOT_AUTHENTIC) refuse("its tag is wrong");
 * ```
 */
export function aeadOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(aead(key, nonce, sealed, associated_data));
  return finish(request, env.crypto_aead_open(request));
}

/**
 * Encrypts with AES-CFB128 (NIST SP 800-38A). It authenticates nothing: only for OpenPGP and TPM formats.
 *
 * @param key 16 or 32 bytes
 * @param iv 16 bytes
 * @param data the bytes to encrypt
 * @returns a reply; `body` has as many bytes as `data`
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const encrypted = crypto.aesCfbEncrypt(new Uint8Array(32), new Uint8Array(16), utf8("message"));
 * ```
 */
export function aesCfbEncrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array): HostReply {
  const request = toBlock(new Writer().bytesValue(1, key).bytesValue(2, iv).bytesValue(3, data).finish());
  return finish(request, env.crypto_aes_cfb_encrypt(request));
}

/**
 * Decrypts what `aesCfbEncrypt` returned.
 *
 * @param key 16 or 32 bytes
 * @param iv 16 bytes
 * @param data the bytes to decrypt
 * @returns a reply; `body` has as many bytes as `data`
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const decrypted = crypto.aesCfbDecrypt(new Uint8Array(32), new Uint8Array(16), new Uint8Array(7));
 * ```
 */
export function aesCfbDecrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array): HostReply {
  const request = toBlock(new Writer().bytesValue(1, key).bytesValue(2, iv).bytesValue(3, data).finish());
  return finish(request, env.crypto_aes_cfb_decrypt(request));
}

/**
 * Computes a shared secret, or the public point of a private key.
 *
 * @param curve "P-256" or "P-384"
 * @param private_key the scalar, big-endian, 32 or 48 bytes
 * @param peer the uncompressed point 04 ‖ x ‖ y; empty to get the public point of `private_key`
 * @returns a reply; `body` is the shared x coordinate, or the uncompressed public point if `peer` is empty
 * @throws Nothing. The reply's `code` reports a failure: INVALID for a size or name that is not allowed, LIMIT if the budget of host calls is used up.
 * @example
 * ```ts
 * const scalar = crypto.random(32);
 * const point = crypto.ecdh("P-256", scalar.body, new Uint8Array(0)); // 65 bytes
 * ```
 */
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
