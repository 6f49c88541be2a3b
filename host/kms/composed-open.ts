/** Decrypts objects of a composed key: anyOf with the first member that answers, allOf with all of them. */
import { KleidiError, toKleidiError } from "../error.ts";
import { Malformed } from "./composed/bytes.ts";
import { openSeed, SHARE } from "./composed/cipher.ts";
import { type ComposedCiphertext, decodeCiphertext } from "./composed/header.ts";
import { hedge } from "./composed/hedge.ts";
import { decodeWrap, wrapsIn } from "./composed/wrap.ts";
import { type KeyId, memberData } from "./key-id.ts";
import type { ComposedKey, SimpleKey, SimpleVersion } from "./keyset.ts";
import { all, type Perform, worst } from "./members.ts";
import type { Sealed } from "./provider.ts";
import { open } from "./seal.ts";

/** An object of a composed key. */
export interface ComposedObject {
  readonly key: ComposedKey;
  readonly keyId: KeyId;
  readonly content: ComposedCiphertext;
  /** Encoded, in the order of the header; undefined: missing. */
  readonly wraps: readonly (Uint8Array | undefined)[];
}

export interface OpenOptions {
  readonly perform: Perform;
  /** The version with this key_id. @throws KleidiError key-unknown, key-not-ready */
  readonly route: (keyId: KeyId) => SimpleVersion;
  /** Orders the members of an anyOf key, the most promising one first. */
  readonly rank: (member: SimpleKey) => number;
  /** How long to wait for a member before the next one is asked too, in milliseconds. */
  readonly patienceMs: (member: SimpleKey) => number;
}

/** @throws KleidiError ciphertext-invalid, it is not the ciphertext of a composed key */
export function readComposed(ciphertext: Uint8Array): ComposedCiphertext {
  try {
    return decodeCiphertext(ciphertext);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new KleidiError(
      "ciphertext-invalid/composed",
      `Cannot decrypt: the ciphertext of a composed key is malformed: ${error.message}`,
    );
  }
}

/** @throws KleidiError annotations-invalid, another annotation is there */
export function objectOf(
  key: ComposedKey,
  keyId: KeyId,
  content: ComposedCiphertext,
  annotations: Readonly<Record<string, Uint8Array>>,
): ComposedObject {
  return { key, keyId, content, wraps: wrapsIn(annotations, content.header.keyIds.length) };
}

/**
 * Decrypts: anyOf with the first member that answers, allOf with all of them.
 * @returns the seed
 * @throws KleidiError the most useful failure of the members; ciphertext-invalid if the object was changed
 */
export async function openComposed(object: ComposedObject, options: OpenOptions): Promise<Uint8Array> {
  return object.content.header.mode === "anyOf"
    ? await openAny(object, options)
    : await openAll(object, options);
}

async function openAny(object: ComposedObject, options: OpenOptions): Promise<Uint8Array> {
  const { keyIds } = object.content.header;
  const attempts = keyIds
    .map((keyId, index) => ({ index, member: routeOrFailure(keyId, options) }))
    .map(({ index, member }) => ({ index, member, rank: rankOf(member, options) }))
    .toSorted((a, b) => a.rank - b.rank);
  try {
    return await hedge(
      attempts.map(({ index, member }) => ({
        patienceMs: member instanceof KleidiError ? 0 : options.patienceMs(member.key),
        run: async (stumble) => {
          const share = await unwrap(object, index, member, options.perform, stumble);
          return await opened(object, [share]);
        },
      })),
    );
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const names = attempts.map(({ index, member }) => nameOf(member, index));
    throw worst(error.errors, `Cannot decrypt with key "${object.key.name}"`, names);
  }
}

async function openAll(object: ComposedObject, options: OpenOptions): Promise<Uint8Array> {
  const members = object.content.header.keyIds.map((keyId) => routeOrFailure(keyId, options));
  const shares = await all(
    members.map((member, index) => unwrap(object, index, member, options.perform)),
    `Cannot decrypt with key "${object.key.name}"`,
    members.map(nameOf),
  );
  return await opened(object, shares);
}

function routeOrFailure(keyId: KeyId, { route }: OpenOptions): SimpleVersion | KleidiError {
  try {
    return route(keyId);
  } catch (error) {
    return toKleidiError(error, "find the key of a wrap");
  }
}

/** A wrap without a key is asked last: its failure is known. */
function rankOf(member: SimpleVersion | KleidiError, { rank }: OpenOptions): number {
  return member instanceof KleidiError ? Number.POSITIVE_INFINITY : rank(member.key);
}

function nameOf(member: SimpleVersion | KleidiError, index: number): string {
  return member instanceof KleidiError ? `wrap ${index + 1}` : member.key.name;
}

/** @returns the share of a wrap */
async function unwrap(
  { key, wraps }: ComposedObject,
  index: number,
  member: SimpleVersion | KleidiError,
  perform: Perform,
  stumble: () => void = () => {},
): Promise<Uint8Array> {
  if (member instanceof KleidiError) throw member;
  const sealed = wrapOf(wraps[index]);
  const share = await perform(member.key, async () => {
    try {
      return await open(member, sealed, dataOf(member, key.name));
    } catch (error) {
      stumble();
      throw error;
    }
  });
  if (share.length !== SHARE) throw damaged(`its share is ${share.length} bytes, ${SHARE} are needed`);
  return share;
}

function wrapOf(bytes: Uint8Array | undefined): Sealed {
  if (bytes === undefined) throw damaged("its annotation is missing");
  try {
    return decodeWrap(bytes);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw damaged(error.message);
  }
}

async function opened(
  { keyId, content, wraps }: ComposedObject,
  shares: readonly Uint8Array[],
): Promise<Uint8Array> {
  const present = wraps.map((wrap) => wrap ?? new Uint8Array());
  const seed = await openSeed({ keyId, shares, wraps: present }, content);
  for (const share of shares) share.fill(0);
  if (seed === undefined) throw damaged("its share does not open the seal of the object");
  return seed;
}

function damaged(what: string): KleidiError {
  return new KleidiError("ciphertext-invalid/composed", `Cannot open a wrap of the object: ${what}`);
}

function dataOf({ key, keyId }: SimpleVersion, composed: string): Uint8Array {
  return memberData(key.provider.name, keyId, composed);
}
