/** One signature of a module: who made it, if it counts under the policy; else why it does not. */
import { expiryIn, isOver } from "./days.ts";
import type { SignatureFile } from "./files.ts";
import {
  MinisignError,
  type PublicKey,
  parsePublicKey,
  parseSignature,
  type Signature,
  verifiesComment,
  verifiesFile,
} from "./minisign.ts";
import type { TrustedKey, TrustPolicy } from "./policy.ts";

export interface Signer {
  readonly name: string;
  readonly keyId: string;
  readonly trustedComment: string;
  /** The last day on which this signature counts: the key's or its own, whichever is earlier. */
  readonly expires?: string;
}

/** Why one signature does not count: a clause that follows its path. */
export class DoesNotCount extends Error {}

/**
 * @param bytes the whole module
 * @returns the signer, and its Ed25519 key in hex
 * @throws DoesNotCount
 */
export function signerOf(
  policy: TrustPolicy,
  bytes: Uint8Array,
  file: SignatureFile,
  now: Date,
): { key: string; signer: Signer } {
  if ("fault" in file) throw new DoesNotCount(file.fault);
  const signature = parsed(file.text);
  const { trusted, key } = keyOf(policy, signature, now);
  const by = `${trusted.name} (${key.id})`;
  if (!verifiesFile(key, signature, bytes))
    throw new DoesNotCount(
      `is not what ${by} signed for this module: one of the two was changed, or they are of different versions; get both again from the publisher`,
    );
  if (!verifiesComment(key, signature))
    throw new DoesNotCount(
      `does not have the trusted comment that ${by} signed: it was changed; get it again from the publisher`,
    );
  const expires = expiryOf(signature);
  if (expires !== undefined && isOver(expires, now))
    throw new DoesNotCount(`expired with ${expires}; get a newer signature or a newer module`);
  const last = [trusted.expires, expires].filter((day) => day !== undefined).sort()[0];
  return {
    key: Buffer.from(key.bytes).toString("hex"),
    signer: {
      name: trusted.name,
      keyId: key.id,
      trustedComment: signature.trustedComment,
      ...(last === undefined ? {} : { expires: last }),
    },
  };
}

function parsed(text: string): Signature {
  try {
    return parseSignature(text);
  } catch (error) {
    if (!(error instanceof MinisignError)) throw error;
    throw new DoesNotCount(
      `is no signature of minisign: it ${error.message}; get it again from the publisher`,
    );
  }
}

/** The key that the signature names, if its signatures count at all. */
function keyOf(
  policy: TrustPolicy,
  { keyId }: Signature,
  now: Date,
): { trusted: TrustedKey; key: PublicKey } {
  const revoked = policy.revoked.find((entry) => "key" in entry && entry.key === keyId);
  if (revoked !== undefined)
    throw new DoesNotCount(
      `is by the key ${keyId}, which is revoked: ${revoked.why}; have it signed by another`,
    );
  for (const trusted of policy.keys) {
    const key = publicKey(trusted);
    if (key.id !== keyId) continue;
    if (trusted.expires !== undefined && isOver(trusted.expires, now))
      throw new DoesNotCount(
        `is by ${trusted.name} (${keyId}), which expired with ${trusted.expires}; have it signed by a newer key`,
      );
    return { trusted, key };
  }
  throw new DoesNotCount(
    `is by the key ${keyId}, which is not in trust.keys; add it only if its owner told you of it in another way`,
  );
}

function publicKey({ name, key }: TrustedKey): PublicKey {
  try {
    return parsePublicKey(key);
  } catch (error) {
    if (!(error instanceof MinisignError)) throw error;
    throw new DoesNotCount(
      `cannot be looked at: of ${name} in trust.keys, ${error.message}; replace that key`,
    );
  }
}

function expiryOf({ trustedComment }: Signature): string | undefined {
  const expiry = expiryIn(trustedComment);
  if (expiry === undefined || "day" in expiry) return expiry?.day;
  throw new DoesNotCount(
    `says ${JSON.stringify(expiry.fault)}, which is not one expires:YYYY-MM-DD; have it signed again`,
  );
}
