/**
 * The host's own seal around a seed: AES-256-GCM under a key that HKDF-SHA256 (RFC 5869) derives from the shares. The shares are new for each
 * Encrypt, so a key is used once; members see shares and never the seed.
 */
import { encodeParts, type KeyId } from "../key-id.ts";
import { joined, u16 } from "./bytes.ts";
import { type ComposedCiphertext, encodeHeader, type Header, NONCE, TAG } from "./header.ts";

/** Bytes of a share. */
export const SHARE = 32;

/** Returns random bytes. */
export type Random = (length: number) => Uint8Array<ArrayBuffer>;

export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

interface SealInput {
  readonly header: Header;
  /** The key_id of the object. */
  readonly keyId: KeyId;
  /** One (anyOf), or one for each wrap in the order of the header (allOf). */
  readonly shares: readonly Uint8Array[];
  /** The encoded wraps in the order of the header. */
  readonly wraps: readonly Uint8Array[];
}

/** @param seed 1 to MAX_PLAINTEXT bytes */
export async function sealSeed(
  input: SealInput,
  seed: Uint8Array<ArrayBuffer>,
  random: Random,
): Promise<ComposedCiphertext> {
  const nonce = random(NONCE);
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData: boundBy(input), tagLength: TAG * 8 };
  const sealed = await crypto.subtle.encrypt(algorithm, await keyFrom(input), seed);
  return { header: input.header, nonce, sealed: new Uint8Array(sealed) };
}

/** @returns the seed; undefined if the seal, its header, a share or (allOf) a wrap is another one */
export async function openSeed(
  input: Omit<SealInput, "header">,
  { header, nonce, sealed }: ComposedCiphertext,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const additionalData = boundBy({ ...input, header });
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData, tagLength: TAG * 8 };
  const key = await keyFrom(input);
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed));
  } catch {
    return undefined;
  }
}

/**
 * The associated data of the seal. With allOf it has the wraps: no byte of such an object can be changed. With anyOf it has not, because a
 * damaged wrap must not spoil the others.
 */
function boundBy({ header, wraps }: Pick<SealInput, "header" | "wraps">): Uint8Array<ArrayBuffer> {
  const bound = header.mode === "allOf" ? wraps : [];
  return joined([encodeHeader(header), ...bound.flatMap((wrap) => [u16(wrap.length), wrap])]);
}

async function keyFrom({ shares, keyId }: Pick<SealInput, "shares" | "keyId">): Promise<CryptoKey> {
  const material = joined(shares);
  const base = await crypto.subtle.importKey("raw", material, "HKDF", false, ["deriveKey"]);
  material.fill(0);
  return await crypto.subtle.deriveKey(
    {
      name: "HKDF",
      hash: "SHA-256",
      salt: new Uint8Array(),
      info: encodeParts("kleidi composed 1", keyId),
    },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}
