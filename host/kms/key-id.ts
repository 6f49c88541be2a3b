/**
 * What the API server knows a KEK by, and what binds a ciphertext to it (docs/ABI.md, section 7).
 */
import { KleidiError } from "../error.ts";
import { MAX_KEY_ID } from "./limits.ts";

/** A key_id that is within the protocol's bounds. */
export type KeyId = string & { readonly brand: "KeyId" };

const encoder = new TextEncoder();

/**
 * The key_id of a request, within the protocol's bounds.
 * @throws KleidiError request-invalid
 */
export function parseKeyId(text: string): KeyId {
  const length = encoder.encode(text).length;
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

/** Names a KEK version: opaque, stable, never reused. 46 characters. */
export async function deriveKeyId(key: string, version: string): Promise<KeyId> {
  const digest = await crypto.subtle.digest("SHA-256", join("kleidi key_id 1", key, version));
  return `k1.${new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true })}` as KeyId;
}

/** What a provider binds to a ciphertext. */
export function associatedData(provider: string, keyId: KeyId): Uint8Array {
  return join("kleidi 1", provider, keyId);
}

/** A label, a zero byte, then each part behind its length in 16 bits, so that no two lists of parts give the same bytes. */
function join(label: string, ...parts: string[]): Uint8Array<ArrayBuffer> {
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
