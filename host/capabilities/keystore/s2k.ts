/**
 * The iterated and salted string-to-key of OpenPGP (RFC 4880, 3.7.1.3) with SHA-256: salt and passphrase are repeated until `count`
 * bytes are hashed. At the largest count that is 62 MiB, so it is done in slices, one per turn of the event loop: all derivations
 * together block it for the time of one slice at most.
 */
import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

export const SALT_BYTES = 8;
/** The range of OpenPGP's coded count: (16 + (c & 15)) << ((c >> 4) + 6). */
export const MIN_COUNT = 1024;
export const MAX_COUNT = 65_011_712;
/** The length of the digest, in bytes: a longer key would need several hashes, and no cipher has one. */
export const MAX_LENGTH = 32;

/** Bytes: well under a millisecond of SHA-256, and little memory per waiting derivation. */
export const SLICE = 1 << 18;

/** Resolves in the turn of the last requested slice. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Derives a key from a passphrase.
 * @param count bytes to hash, salts and passphrases together
 * @param length bytes of the key
 * @returns the first `length` bytes of the digest; undefined if the signal was aborted first
 */
export async function s2k(
  passphrase: Uint8Array,
  { salt, count, length }: { salt: Uint8Array; count: number; length: number },
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const once = Buffer.concat([salt, passphrase]);
  // complete repetitions, so that all slices but the last are identical
  const repetitions = Math.max(1, Math.floor(Math.min(SLICE, count) / once.length));
  const slice = Buffer.alloc(once.length * repetitions, once);
  try {
    const hash = createHash("sha256");
    for (let left = count; left > 0; left -= slice.length) {
      queue = queue.then(() => nextTurn());
      await queue;
      if (signal.aborted) return undefined;
      hash.update(left < slice.length ? slice.subarray(0, left) : slice);
    }
    return hash.digest().subarray(0, length);
  } finally {
    once.fill(0);
    slice.fill(0);
  }
}
