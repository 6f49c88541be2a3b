/**
 * The iterated and salted string-to-key of OpenPGP (RFC 4880, 3.7.1.3) with SHA-256: salt and passphrase are repeated until `count`
 * bytes are hashed. At the largest count that is 62 MiB, so it is done in slices, of which the event loop runs one in a turn: all
 * derivations together hold up nobody for longer than one slice takes.
 */
import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

export const SALT_BYTES = 8;
/** What OpenPGP's one byte can say: (16 + (c & 15)) << ((c >> 4) + 6). */
export const MIN_COUNT = 1024;
export const MAX_COUNT = 65_011_712;
/** The digest's length: a longer key would need more than one hash, and no cipher has one. */
export const MAX_LENGTH = 32;

/** Well under a millisecond of SHA-256, and little memory for each derivation that waits. */
export const SLICE = 1 << 18;

/** Resolves when the last slice that was asked for has its turn. */
let queue: Promise<unknown> = Promise.resolve();

/** @returns the first `length` bytes; undefined where the signal was aborted before all was hashed */
export async function s2k(
  passphrase: Uint8Array,
  { salt, count, length }: { salt: Uint8Array; count: number; length: number },
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const once = Buffer.concat([salt, passphrase]);
  // whole repetitions, so that every slice but the last is the same bytes
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
