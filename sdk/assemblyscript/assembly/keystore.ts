/** `kleidi:keystore`: AES-256-GCM with a key that stays in the host. The operator grants the names of the keys. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { keystore_info, keystore_open, keystore_s2k, keystore_seal } from "./imports";
import { Reader, Writer } from "./protobuf";

/**
 * Asks for a key's version.
 *
 * @param key a granted name; DENIED for any other one, which voids the call
 * @returns a reply; `versionOf` reads the version from it
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND for a missing key or another version, UNAVAILABLE if the key file cannot be read.
 * @example
 * ```ts
 * const info = keystore.info("kek");
 * const reply = info.ok ? new StatusReply(keystore.versionOf(info)) : failFrom<StatusReply>(info, "read the version");
 * ```
 */
export function info(key: string): HostReply {
  const request = toBlock(new Writer().string(1, key).finish());
  return finish(request, keystore_info(request));
}

/**
 * Reads the version from the reply of `info`.
 *
 * @param reply a reply of `info` with `ok`
 * @returns 32 hexadecimal digits; "" if the reply has no version
 * @throws Nothing.
 * @example
 * ```ts
 * const version = keystore.versionOf(keystore.info("kek"));
 * ```
 */
export function versionOf(reply: HostReply): string {
  const reader = new Reader(reply.body);
  let version = "";
  while (reader.next()) {
    if (reader.field === 1) version = reader.string();
    else reader.skip();
  }
  return reader.ok ? version : "";
}

/**
 * Encrypts with a key of the host.
 *
 * @param key a granted name; DENIED for any other one, which voids the call
 * @param version exactly the one that `info` reports
 * @param plaintext the bytes to encrypt
 * @param associated_data bound to the ciphertext; the host adds the names of the provider and the key
 * @returns a reply; `body` is 12 bytes of nonce, the ciphertext and 16 bytes of tag
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND for a missing key or another version, UNAVAILABLE if the key file cannot be read.
 * @example
 * ```ts
 * const sealed = keystore.seal("kek", "v1", utf8("seed"), utf8("context"));
 * ```
 */
export function seal(
  key: string,
  version: string,
  plaintext: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(encode(key, version, plaintext, associated_data));
  return finish(request, keystore_seal(request));
}

/**
 * Decrypts what `seal` returned.
 *
 * @param key a granted name; DENIED for any other one, which voids the call
 * @param version exactly the one that `info` reports
 * @param sealed nonce, ciphertext and tag, as `seal` returned them
 * @param associated_data the same as for `seal`
 * @returns a reply; `body` is the plaintext
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND for a missing key or another version, UNAVAILABLE if the key file cannot be read, NOT_AUTHENTIC if `sealed` was made with another key, version, provider or associated data.
 * @example
 * ```ts
 * const opened = keystore.open("kek", "v1", new Uint8Array(60), utf8("context"));
 * if (!opened.ok) failFrom<DecryptReply>(opened, "open with the key");
 * ```
 */
export function open(
  key: string,
  version: string,
  sealed: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(encode(key, version, sealed, associated_data));
  return finish(request, keystore_open(request));
}

/**
 * Derives a key from a passphrase of the host: OpenPGP's iterated and salted string-to-key with SHA-256 (RFC 4880, 3.7.1.3).
 *
 * @param key a name that is granted as a passphrase; DENIED for any other one, which voids the call
 * @param version exactly the one that `info` reports
 * @param salt 8 bytes
 * @param count 1,024 to 65,011,712 bytes to hash
 * @param length 1 to 32 bytes
 * @returns a reply; `body` is the key of the messages that have this salt, `length` bytes
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND for a missing key or another version, UNAVAILABLE if the key file cannot be read, INVALID for a size that is not allowed.
 * @example
 * ```ts
 * const key = keystore.s2k("passphrase", "v1", new Uint8Array(8), 65_536, 32);
 * ```
 */
export function s2k(key: string, version: string, salt: Uint8Array, count: u32, length: u32): HostReply {
  const message = new Writer().string(1, key).string(2, version).bytesValue(3, salt);
  const request = toBlock(message.uint32(4, count).uint32(5, length).finish());
  return finish(request, keystore_s2k(request));
}

/** KeystoreSealRequest and KeystoreOpenRequest have the same fields. */
function encode(key: string, version: string, data: Uint8Array, associated_data: Uint8Array): Uint8Array {
  return new Writer()
    .string(1, key)
    .string(2, version)
    .bytesValue(3, data)
    .bytesValue(4, associated_data)
    .finish();
}
