/** `kleidi:keystore`: AES-256-GCM under a key that stays in the host. Keys are named; the operator grants the names. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { keystore_info, keystore_open, keystore_s2k, keystore_seal } from "./imports";
import { Reader, Writer } from "./protobuf";

/** Asks for a key's version; `versionOf` reads it from the reply. */
export function info(key: string): HostReply {
  const request = toBlock(new Writer().string(1, key).finish());
  return finish(request, keystore_info(request));
}

/** The version in the reply of `info`: 32 hexadecimal digits. */
export function versionOf(reply: HostReply): string {
  const reader = new Reader(reply.body);
  let version = "";
  while (reader.next()) {
    if (reader.field === 1) version = reader.string();
    else reader.skip();
  }
  return reader.ok ? version : "";
}

/** Body: 12 bytes of nonce, ciphertext, 16 bytes of tag. */
export function seal(
  key: string,
  version: string,
  plaintext: Uint8Array,
  associated_data: Uint8Array,
): HostReply {
  const request = toBlock(encode(key, version, plaintext, associated_data));
  return finish(request, keystore_seal(request));
}

/** Body: the plaintext. Code NOT_AUTHENTIC where `sealed` was not made with this key, version and associated data. */
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
 * OpenPGP's iterated and salted string-to-key with SHA-256 (RFC 4880, 3.7.1.3), for a name that is granted as a passphrase.
 * `salt` is 8 bytes, `count` 1,024 to 65,011,712. Body: the key of this salt's messages, `length` (1 to 32) bytes.
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
