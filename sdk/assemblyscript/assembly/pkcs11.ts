/** `kleidi:pkcs11`: AES-GCM with a key of an HSM. The operator grants the token and the labels of the keys. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { pkcs11_decrypt, pkcs11_encrypt, pkcs11_find } from "./imports";
import { Reader, Writer } from "./protobuf";

/**
 * Searches a key on the token.
 *
 * @param key a granted label; DENIED for any other one, which voids the call
 * @returns a reply; `versionOf` reads the version from it
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND if the token has no AES key with this label or several, UNAVAILABLE if the token cannot be used.
 * @example
 * ```ts
 * const found = pkcs11.find("kek");
 * const reply = found.ok ? new StatusReply(pkcs11.versionOf(found)) : failFrom<StatusReply>(found, "find the key");
 * ```
 */
export function find(key: string): HostReply {
  const request = toBlock(new Writer().string(1, key).finish());
  return finish(request, pkcs11_find(request));
}

/**
 * Reads the version from the reply of `find`.
 *
 * @param reply a reply of `find` with `ok`
 * @returns 32 hexadecimal digits; "" if the reply has no version
 * @throws Nothing.
 * @example
 * ```ts
 * const version = pkcs11.versionOf(pkcs11.find("kek"));
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
 * Reads from the reply of `find` whether the operator granted the key for the objects of another plugin: `decrypt` then takes what that plugin
 * encrypted, and `encrypt` is DENIED.
 *
 * @param reply a reply of `find` with `ok`
 * @returns true for a key of another plugin
 * @throws Nothing.
 * @example
 * ```ts
 * const theirs = pkcs11.isForeign(pkcs11.find("kleidi-kms-plugin"));
 * ```
 */
export function isForeign(reply: HostReply): bool {
  const reader = new Reader(reply.body);
  let foreign = false;
  while (reader.next()) {
    if (reader.field === 2) foreign = reader.uint32() !== 0;
    else reader.skip();
  }
  return reader.ok && foreign;
}

/**
 * Encrypts with a key of the token: AES-GCM.
 *
 * @param key a granted label; DENIED for any other one, which voids the call
 * @param version exactly the one that `find` reports
 * @param plaintext at most 4,096 bytes
 * @param associated_data at most 4,096 bytes, bound to the ciphertext; the host adds the names of the provider and the key
 * @returns a reply; `body` is 12 bytes of nonce, the ciphertext and 16 bytes of tag
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND for a missing key or another version, INVALID for too many bytes, UNAVAILABLE if the token cannot be used.
 * @example
 * ```ts
 * const sealed = pkcs11.encrypt("kek", "v1", utf8("seed"), utf8("context"));
 * ```
 */
export function encrypt(
  key: string,
  version: string,
  plaintext: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(encode(key, version, plaintext, associated_data));
  return finish(request, pkcs11_encrypt(request));
}

/**
 * Decrypts what `encrypt` returned.
 *
 * @param key a granted label; DENIED for any other one, which voids the call
 * @param version exactly the one that `find` reports
 * @param sealed nonce, ciphertext and tag, as `encrypt` returned them; of a key of another plugin 16 bytes of nonce, the ciphertext and 16
 *   bytes of tag
 * @param associated_data the same as for `encrypt`; of a key of another plugin what that plugin used, to which the host adds nothing
 * @returns a reply; `body` is the plaintext
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND for a missing key or another version, NOT_AUTHENTIC if `sealed` was made with another key, provider or associated data, UNAVAILABLE if the token cannot be used.
 * @example
 * ```ts
 * const opened = pkcs11.decrypt("kek", "v1", new Uint8Array(60), utf8("context"));
 * if (!opened.ok) failFrom<DecryptReply>(opened, "decrypt with the key");
 * ```
 */
export function decrypt(
  key: string,
  version: string,
  sealed: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(encode(key, version, sealed, associated_data));
  return finish(request, pkcs11_decrypt(request));
}

/** Pkcs11EncryptRequest and Pkcs11DecryptRequest have the same fields. */
function encode(key: string, version: string, data: Uint8Array, associated_data: Uint8Array): Uint8Array {
  return new Writer()
    .string(1, key)
    .string(2, version)
    .bytesValue(3, data)
    .bytesValue(4, associated_data)
    .finish();
}
