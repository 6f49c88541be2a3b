/**
 * The key_id, by which the API server identifies a KEK, and the associated data, which binds a ciphertext to it (docs/ABI.md, section 7).
 */
import { KleidiError } from "../error.ts";
import { MAX_KEY_ID } from "./limits.ts";

/** A key_id within the bounds of the protocol. */
export type KeyId = string & { readonly brand: "KeyId" };

const encoder = new TextEncoder();

/**
 * Parses the key_id of a request.
 * @param text 1 to MAX_KEY_ID bytes in UTF-8
 * @throws KleidiError request-invalid
 */
export function parseKeyId(text: string): KeyId {
  const length = Buffer.byteLength(text);
  if (length === 0)
    throw new KleidiError("request-invalid", "Cannot find the key: the request's key_id is empty");
  if (length > MAX_KEY_ID) {
    throw new KleidiError(
      "request-invalid",
      `Cannot find the key: the request's key_id is ${length} bytes, at most ${MAX_KEY_ID} are allowed`,
    );
  }
  return text as KeyId;
}

/**
 * Derives the key_id of a KEK version: opaque, stable, never reused.
 * @param key the key's name in the configuration
 * @param version the version as the provider reports it
 * @returns 46 characters
 * @example await deriveKeyId("a", "1") // "k1.CYOBsC7GZNTxtwQ6jFL0PSaqmPA9G7NENCUCGzsbrFU"
 */
export async function deriveKeyId(key: string, version: string): Promise<KeyId> {
  const digest = await crypto.subtle.digest("SHA-256", encodeParts("kleidi key_id 1", key, version));
  return `k1.${new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true })}` as KeyId;
}

/** False for a key_id that deriveKeyId never returns. */
export function isDerivable(keyId: KeyId): boolean {
  return /^k1\.[\w-]{43}$/.test(keyId);
}

/** @returns the associated data that a provider binds to a ciphertext */
export function associatedData(provider: string, keyId: KeyId): Uint8Array {
  return encodeParts("kleidi 1", provider, keyId);
}

/**
 * The associated data of a wrap: a share of a composed key, encrypted by a member (docs/formats.md). Its label differs from that of an
 * object, so that neither can take the place of the other.
 * @param composed the name of the composed key
 */
export function memberData(provider: string, keyId: KeyId, composed: string): Uint8Array {
  return encodeParts("kleidi member 1", provider, keyId, composed);
}

/** Encodes a label, a zero byte, then each part after its 16-bit length: two different lists never give the same bytes. */
export function encodeParts(label: string, ...parts: string[]): Uint8Array<ArrayBuffer> {
  const chunks = [encoder.encode(`${label}\0`)];
  for (const part of parts) {
    const bytes = encoder.encode(part);
    chunks.push(new Uint8Array([bytes.length >> 8, bytes.length & 255]), bytes);
  }
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
