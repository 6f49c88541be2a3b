/**
 * Checks every reply of a provider as the API server would, before the host uses it. There is no exception for kleidi's own
 * providers.
 */
import { KleidiError } from "../error.ts";
import { annotationsFault } from "./annotations.ts";
import { MAX_CIPHERTEXT, MAX_OLDER_VERSIONS, MAX_PLAINTEXT, MAX_VERSION } from "./limits.ts";
import type { KeyVersions, Sealed } from "./provider.ts";

// In bytes. A shorter plaintext can occur in a ciphertext by chance.
const MIN_SEARCHED_PLAINTEXT = 8;

/**
 * @param provider the provider's name in the configuration, for the message
 * @throws KleidiError provider-fault if a version is empty, too long, not printable ASCII or listed twice, or there are too many
 */
export function checkStatusReply(provider: string, reply: KeyVersions): void {
  const action = `Cannot accept the status of provider "${provider}"`;
  if (reply.olderVersions.length > MAX_OLDER_VERSIONS) {
    const actual = reply.olderVersions.length;
    throw fault(`${action}: it lists ${actual} older versions, at most ${MAX_OLDER_VERSIONS} are allowed`);
  }
  for (const version of [reply.version, ...reply.olderVersions]) {
    const length = new TextEncoder().encode(version).length;
    if (length === 0) throw fault(`${action}: a version is empty`);
    if (length > MAX_VERSION) {
      throw fault(`${action}: a version is ${length} bytes, at most ${MAX_VERSION} are allowed`);
    }
    // Messages and logs show it, and operators write it into the configuration as a pin.
    if (!/^[\x21-\x7e]*$/.test(version)) {
      throw fault(`${action}: a version contains a space or a character outside printable ASCII`);
    }
  }
  const distinct = new Set([reply.version, ...reply.olderVersions]);
  if (distinct.size !== reply.olderVersions.length + 1) throw fault(`${action}: a version is listed twice`);
}

/**
 * @param provider the provider's name in the configuration, for the message
 * @param plaintext the plaintext of the request
 * @throws KleidiError provider-fault if a size or an annotation is out of bounds, or if the reply contains the plaintext
 */
export function checkEncryptReply(provider: string, plaintext: Uint8Array, reply: Sealed): void {
  const action = `Cannot accept the reply of provider "${provider}"`;
  const length = reply.ciphertext.length;
  if (length === 0) throw fault(`${action}: its ciphertext is empty`);
  if (length > MAX_CIPHERTEXT) {
    throw fault(`${action}: its ciphertext is ${length} bytes, at most ${MAX_CIPHERTEXT} are allowed`);
  }
  const annotations = annotationsFault(reply.annotations);
  if (annotations !== undefined) throw fault(`${action}: ${annotations}`);
  for (const stored of [reply.ciphertext, ...reply.annotations.map(({ value }) => value)]) {
    if (contains(stored, plaintext))
      throw fault(`${action}: its ciphertext or an annotation contains the plaintext`);
  }
}

/**
 * @param provider the provider's name in the configuration, for the message
 * @throws KleidiError provider-fault if the plaintext is empty or longer than MAX_PLAINTEXT
 */
export function checkDecryptReply(provider: string, plaintext: Uint8Array): void {
  const action = `Cannot accept the reply of provider "${provider}"`;
  if (plaintext.length === 0) throw fault(`${action}: its plaintext is empty`);
  if (plaintext.length > MAX_PLAINTEXT) {
    throw fault(
      `${action}: its plaintext is ${plaintext.length} bytes, at most ${MAX_PLAINTEXT} are allowed`,
    );
  }
}

/** Compares in constant time: the duration depends on the lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

function contains(haystack: Uint8Array, needle: Uint8Array): boolean {
  if (needle.length < MIN_SEARCHED_PLAINTEXT) return false;
  for (let at = 0; at + needle.length <= haystack.length; at++) {
    if (equalBytes(haystack.subarray(at, at + needle.length), needle)) return true;
  }
  return false;
}

function fault(message: string): KleidiError {
  return new KleidiError("provider-fault/reply", message);
}
