/**
 * The ciphertext of a composed key (docs/formats.md): a header that names the members' versions, a nonce, and the seed sealed by the host.
 * The version of the key is derived from the header, so the key_id names exactly the wraps that an object has.
 */
import { encodeParts, type KeyId } from "../key-id.ts";
import { MAX_CIPHERTEXT, MAX_MEMBERS } from "../limits.ts";
import { joined, Malformed, Reader, u8 } from "./bytes.ts";

/** anyOf: each wrap alone opens the object; allOf: all of them together. */
export type Mode = "anyOf" | "allOf";

export interface Header {
  readonly mode: Mode;
  /** One for each wrap, ascending: every host lists the members in the same order, whatever its configuration does. */
  readonly keyIds: readonly KeyId[];
}

export interface ComposedCiphertext {
  readonly header: Header;
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

export const NONCE = 12;
export const TAG = 16;
const LAYOUT = 1;
const MODES = { anyOf: 1, allOf: 2 } as const;
const KEY_ID = /^[\x21-\x7e]{1,64}$/;

/** @returns the least number of wraps */
export function leastOf(mode: Mode): number {
  return mode === "anyOf" ? 1 : 2;
}

/** @returns the bytes that the seal authenticates */
export function encodeHeader({ mode, keyIds }: Header): Uint8Array<ArrayBuffer> {
  const ids = keyIds.map((keyId) => new TextEncoder().encode(keyId));
  return joined([
    Uint8Array.of(LAYOUT, MODES[mode], ids.length),
    ...ids.flatMap((id) => [u8(id.length), id]),
  ]);
}

export function encodeCiphertext({ header, nonce, sealed }: ComposedCiphertext): Uint8Array<ArrayBuffer> {
  return joined([encodeHeader(header), nonce, sealed]);
}

/** @throws Malformed */
export function decodeCiphertext(bytes: Uint8Array): ComposedCiphertext {
  if (bytes.length > MAX_CIPHERTEXT) throw new Malformed("it is too long");
  const reader = new Reader(bytes);
  const header = readHeader(reader);
  const nonce = reader.take(NONCE);
  const sealed = reader.rest();
  if (sealed.length <= TAG) throw new Malformed("it is cut");
  return { header, nonce, sealed };
}

function readHeader(reader: Reader): Header {
  if (reader.u8() !== LAYOUT) throw new Malformed("its layout is unknown");
  const byte = reader.u8();
  const mode = (["anyOf", "allOf"] as const).find((each) => MODES[each] === byte);
  if (mode === undefined) throw new Malformed("its mode is unknown");
  const count = reader.u8();
  if (count < leastOf(mode) || count > MAX_MEMBERS) throw new Malformed("its number of wraps is invalid");
  const keyIds: KeyId[] = [];
  for (let i = 0; i < count; i++) {
    const text = new TextDecoder("latin1").decode(reader.take(reader.u8()));
    if (!KEY_ID.test(text)) throw new Malformed("a key_id of it is invalid");
    if (text <= (keyIds.at(-1) ?? "")) throw new Malformed("its key_ids are not ascending");
    keyIds.push(text as KeyId);
  }
  return { mode, keyIds };
}

/**
 * Derives the version of a composed key.
 * @returns the mode and 43 characters, such as "anyOf.7bKM…"
 */
export async function composedVersion({ mode, keyIds }: Header): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", encodeParts("kleidi members 1", ...keyIds));
  return `${mode}.${new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true })}`;
}
