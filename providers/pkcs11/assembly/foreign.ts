/**
 * The format of the Go kleidi with `-provider softhsm` (docs/foreign-formats.md): 16 bytes of nonce, the ciphertext and 16 bytes of tag of
 * AES-GCM, with the plugin's only key id as the associated data.
 */
import {
  DecryptReply,
  DecryptRequest,
  decimal,
  FailureCode,
  fail,
  failFrom,
  pkcs11,
  refuse,
  utf8,
} from "../../../sdk/assemblyscript/assembly";

const FORMAT = "kleidi-go-softhsm";
export const FOREIGN_KEY_ID = "kleidi-kms-plugin";
/** Nonce, one byte of plaintext, tag. */
const MIN_CIPHERTEXT = 16 + 1 + 16;

export function isKnownFormat(format: string): bool {
  return format === FORMAT;
}

export function unknownFormat<T>(format: string): T {
  return fail<T>(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the key: the format "${format.slice(0, 64)}" is not one of this provider, which has ${FORMAT}`,
  );
}

/** @param label of a key that is granted for the objects of another plugin */
export function decryptForeign(label: string, request: DecryptRequest): DecryptReply {
  if (!isKnownFormat(request.foreign_format)) return unknownFormat<DecryptReply>(request.foreign_format);
  const ciphertext = request.ciphertext;
  if (ciphertext.length < MIN_CIPHERTEXT) {
    return refuse(
      `it is ${decimal(ciphertext.length)} bytes, at least ${decimal(MIN_CIPHERTEXT)} are needed`,
    );
  }
  const opened = pkcs11.decrypt(label, request.version, ciphertext, utf8(FOREIGN_KEY_ID));
  if (!opened.ok) return failFrom<DecryptReply>(opened, "decrypt with the key");
  return new DecryptReply(opened.body);
}
