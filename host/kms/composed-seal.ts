/**
 * Encrypts with a composed key. The host seals the seed under a key from random shares, and each member of the key wraps a share: the same one
 * (anyOf) or one of its own (allOf).
 */
import { KleidiError } from "../error.ts";
import { equalBytes } from "./check-reply.ts";
import { openSeed, type Random, SHARE, sealSeed, systemRandom } from "./composed/cipher.ts";
import { encodeCiphertext } from "./composed/header.ts";
import { annotationsOf, encodeWrap } from "./composed/wrap.ts";
import { memberData } from "./key-id.ts";
import type { ComposedVersion, SimpleVersion } from "./keyset.ts";
import { all, type Perform } from "./members.ts";
import { seal } from "./seal.ts";

export interface ComposedSealed {
  readonly ciphertext: Uint8Array;
  readonly annotations: Readonly<Record<string, Uint8Array>>;
}

/** Wraps a share with a member, and reads it back. */
export async function wrapShare(
  member: SimpleVersion,
  share: Uint8Array,
  composed: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const { ciphertext, annotations } = await seal(
    member,
    share,
    memberData(member.key.provider.name, member.keyId, composed),
  );
  return encodeWrap({ ciphertext, annotations });
}

/**
 * Encrypts with all members of a version at once. The host checks its own seal; the members have checked theirs.
 * @param random only tests give another source
 * @throws KleidiError the most useful failure of the members; provider-fault: the annotations are too large; host-fault
 */
export async function sealComposed(
  { key, keyId, members }: ComposedVersion,
  plaintext: Uint8Array,
  perform: Perform,
  random: Random = systemRandom,
): Promise<ComposedSealed> {
  const seed = Uint8Array.from(plaintext);
  const shares = key.mode === "anyOf" ? [random(SHARE)] : members.map(() => random(SHARE));
  try {
    const wraps = await all(
      members.map((member, index) => {
        const share = key.mode === "anyOf" ? shares[0] : shares[index];
        if (share === undefined) throw new TypeError("a member without a share");
        return perform(member.key, () => wrapShare(member, share, key.name));
      }),
      `Cannot encrypt with key "${key.name}"`,
      members.map((member) => member.key.name),
    );
    const annotations = annotationsOf(wraps);
    const header = { mode: key.mode, keyIds: members.map((member) => member.keyId) };
    const input = { header, keyId, shares, wraps };
    const content = await sealSeed(input, seed, random);
    const back = await openSeed(input, content);
    if (back === undefined || !equalBytes(back, seed))
      throw new KleidiError("host-fault", "Cannot encrypt: the host cannot open its own seal");
    back.fill(0);
    return { ciphertext: encodeCiphertext(content), annotations };
  } finally {
    for (const secret of [seed, ...shares]) secret.fill(0);
  }
}
