/** Ed25519 public keys as the 32 bytes of RFC 8032, and as SPKI (RFC 8410). */
import { createPublicKey, type KeyObject } from "node:crypto";

/** Length of a public key in bytes. */
export const ED25519_KEY_BYTES = 32;
/** The DER prefix before the raw key (RFC 8410, section 10.1). */
const PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/**
 * Creates a public key from its raw bytes.
 * @param raw 32 bytes
 * @throws the error of node:crypto for any other length
 */
export function ed25519FromRaw(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([PREFIX, raw]), format: "der", type: "spki" });
}

/**
 * Reads a public key from its SPKI.
 * @param spki in DER
 * @returns the key; undefined if `spki` is not the SPKI of an Ed25519 key
 */
export function ed25519FromSpki(spki: Buffer): KeyObject | undefined {
  const isEd25519 =
    spki.length === PREFIX.length + ED25519_KEY_BYTES && spki.subarray(0, PREFIX.length).equals(PREFIX);
  return isEd25519 ? ed25519FromRaw(spki.subarray(PREFIX.length)) : undefined;
}

/** Encodes a public key as SPKI, in DER. */
export function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

/**
 * Returns the raw bytes of an Ed25519 public key.
 * @returns 32 bytes
 */
export function rawOf(publicKey: KeyObject): Buffer {
  return spkiOf(publicKey).subarray(-ED25519_KEY_BYTES);
}
