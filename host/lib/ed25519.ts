/** Ed25519 public keys as the 32 bytes of RFC 8032, and as SPKI (RFC 8410). */
import { createPublicKey, type KeyObject } from "node:crypto";

/** Of a public key. */
export const ED25519_KEY_BYTES = 32;
/** DER in front of the key's own bytes (RFC 8410, section 10.1). */
const PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/**
 * Makes a public key from its own bytes.
 * @param raw 32 bytes
 * @throws what node:crypto throws if there are more or less
 */
export function ed25519FromRaw(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([PREFIX, raw]), format: "der", type: "spki" });
}

/**
 * Reads a public key from its SPKI.
 * @param spki DER
 * @returns undefined if it is not the SPKI of an Ed25519 key
 */
export function ed25519FromSpki(spki: Buffer): KeyObject | undefined {
  const isOne =
    spki.length === PREFIX.length + ED25519_KEY_BYTES && spki.subarray(0, PREFIX.length).equals(PREFIX);
  return isOne ? ed25519FromRaw(spki.subarray(PREFIX.length)) : undefined;
}

/** The SPKI of a public key, in DER. */
export function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

/**
 * The own bytes of an Ed25519 public key.
 * @returns 32 bytes
 */
export function rawOf(publicKey: KeyObject): Buffer {
  return spkiOf(publicKey).subarray(-ED25519_KEY_BYTES);
}
