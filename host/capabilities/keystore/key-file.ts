/**
 * The format of a software key's file: one line of text, so that an operator can inspect a backup.
 *
 *     kleidi-key-1 NAME BASE64URL(32 bytes of key) CHECKSUM
 *
 * CHECKSUM is the first 16 hexadecimal digits of the SHA-256 of everything before it. The name prevents a file from being used as another
 * key; the checksum distinguishes a damaged file from a wrong key.
 */

import { createHash, createHmac } from "node:crypto";
import { KleidiError } from "../../error.ts";
import { Secret } from "../../lib/secret.ts";

/** A key's 32 bytes, or the text of a passphrase. */
export type KeyBytes = Secret<Uint8Array<ArrayBuffer>>;

/** The key as a passphrase: its text in the file, which an operator can pass to gpg. @returns a holder that the caller wipes */
export function passphraseOf(key: KeyBytes): KeyBytes {
  return key.use((bytes) => Secret.of(textOf(bytes)));
}

export const KEY_BYTES = 32;
const FORMAT = "kleidi-key-1";

export function formatKeyFile(name: string, key: KeyBytes): string {
  const body = key.use((bytes) => `${FORMAT} ${name} ${textOf(bytes)}`);
  return `${body} ${checksum(body)}\n`;
}

/**
 * Parses a key file.
 * @param path for error messages only
 * @throws KleidiError key-file-invalid
 */
export function parseKeyFile(name: string, path: string, text: string): KeyBytes {
  const action = `Cannot load key "${name}" from ${path}`;
  if (text.length === 0) throw invalid(`${action}: the file is empty`);
  const at = text.lastIndexOf(" ");
  const [format, inside, encoded, ...others] = text.slice(0, Math.max(at, 0)).split(" ");
  if (format !== FORMAT) throw invalid(`${action}: it does not begin with "${FORMAT}"`);
  if (!text.endsWith("\n")) throw invalid(`${action}: its line does not end, so it is cut short`);
  if (others.length > 0 || encoded === undefined || checksum(text.slice(0, at)) !== text.slice(at + 1, -1)) {
    throw invalid(`${action}: its checksum is wrong, so the file is damaged`);
  }
  if (inside !== name) throw invalid(`${action}: the file holds the key "${inside}"`);
  // Its own memory, which the holder wipes: Buffer.from(encoded) would leave a copy in Node's pool.
  const bytes = new Uint8Array(Buffer.byteLength(encoded, "base64url"));
  const length = Buffer.from(bytes.buffer).write(encoded, "base64url");
  if (length !== KEY_BYTES || bytes.length !== KEY_BYTES) {
    throw invalid(`${action}: its key is ${length} bytes, it should be ${KEY_BYTES}`);
  }
  return new Secret(bytes);
}

/** Identifies the key material without revealing it: 32 hexadecimal digits of an HMAC under the key. */
export function fingerprint(key: KeyBytes): string {
  return key.use((bytes) =>
    createHmac("sha256", bytes).update("kleidi fingerprint 1").digest("hex").slice(0, 32),
  );
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
}

function checksum(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 16);
}

function invalid(message: string): KleidiError {
  return new KleidiError("key-file-invalid/damaged", message);
}
