/**
 * Every reply of a provider is checked as the API server would check it, before anything is done with it. Our own providers
 * get no exception.
 */
import { KleidiError } from "../error.ts";
import { annotationsFault } from "./annotations.ts";
import { MAX_CIPHERTEXT, MAX_OLDER_VERSIONS, MAX_PLAINTEXT, MAX_VERSION } from "./limits.ts";
import type { KeyVersions, Sealed } from "./provider.ts";

// Shorter plaintexts occur in a ciphertext by chance.
const SHORTEST_TELLING_PLAINTEXT = 8;

/** @throws KleidiError provider-fault */
export function checkStatusReply(provider: string, reply: KeyVersions): void {
  const action = `Cannot accept the status of provider "${provider}"`;
  if (reply.olderVersions.length > MAX_OLDER_VERSIONS) {
    const actual = reply.olderVersions.length;
    throw fault(`${action}: it names ${actual} older versions, at most ${MAX_OLDER_VERSIONS} are allowed`);
  }
  for (const version of [reply.version, ...reply.olderVersions]) {
    const length = new TextEncoder().encode(version).length;
    if (length === 0) throw fault(`${action}: a version is empty`);
    if (length > MAX_VERSION) {
      throw fault(`${action}: a version is ${length} bytes, at most ${MAX_VERSION} are allowed`);
    }
    // It is shown in messages and logs, and written into configurations as a pin.
    if (!/^[\x21-\x7e]*$/.test(version)) {
      throw fault(`${action}: a version has a character that is no printable ASCII, or a space`);
    }
  }
  const distinct = new Set([reply.version, ...reply.olderVersions]);
  if (distinct.size !== reply.olderVersions.length + 1) throw fault(`${action}: a version is there twice`);
}

/** @throws KleidiError provider-fault */
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
    if (contains(stored, plaintext)) throw fault(`${action}: the plaintext stands in what it would store`);
  }
}

/** @throws KleidiError provider-fault */
export function checkDecryptReply(provider: string, plaintext: Uint8Array): void {
  const action = `Cannot accept the reply of provider "${provider}"`;
  if (plaintext.length === 0) throw fault(`${action}: its plaintext is empty`);
  if (plaintext.length > MAX_PLAINTEXT) {
    throw fault(
      `${action}: its plaintext is ${plaintext.length} bytes, at most ${MAX_PLAINTEXT} are allowed`,
    );
  }
}

/** Compares in a time that depends on the lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

function contains(haystack: Uint8Array, needle: Uint8Array): boolean {
  if (needle.length < SHORTEST_TELLING_PLAINTEXT) return false;
  for (let at = 0; at + needle.length <= haystack.length; at++) {
    if (equalBytes(haystack.subarray(at, at + needle.length), needle)) return true;
  }
  return false;
}

function fault(message: string): KleidiError {
  return new KleidiError("provider-fault", message);
}
