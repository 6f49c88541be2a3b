/** Verifies one signature of a module under the trust policy. */
import { hasEnded, parseExpiry } from "./days.ts";
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

/** A trusted key that signed a module. */
export interface Signer {
  /** The name of the key in `trust.keys`. */
  readonly name: string;
  readonly keyId: string;
  readonly trustedComment: string;
  /** The last day on which this signature is valid, YYYY-MM-DD: the earlier of the key's and the signature's expiry. */
  readonly expires?: string;
  /** The last day of the key alone, by `trust.keys`. */
  readonly keyExpires?: string;
}

/** A signature is not valid under the policy. The message is a clause whose subject is the file, with a remedy. */
export class SignatureRejected extends Error {}

/**
 * Verifies one signature.
 * @param bytes the whole module
 * @param now expiry dates are compared with it, in UTC
 * @returns the signer, and its raw Ed25519 public key in hex
 * @throws SignatureRejected
 */
export function verifySignature(
  policy: TrustPolicy,
  bytes: Uint8Array,
  file: SignatureFile,
  now: Date,
): { key: string; signer: Signer } {
  if ("fault" in file) throw new SignatureRejected(file.fault);
  const signature = parseText(file.text);
  const { trusted, key } = trustedKeyOf(policy, signature, now);
  const by = `${trusted.name} (${key.id})`;
  if (!verifiesFile(key, signature, bytes))
    throw new SignatureRejected(
      `does not verify with the key of ${by}: the module or the signature was changed, or they belong to different versions; get both again from the publisher`,
    );
  if (!verifiesComment(key, signature))
    throw new SignatureRejected(
      `has a changed trusted comment, which does not verify with the key of ${by}; get the signature again from the publisher`,
    );
  const expires = expiryOf(signature);
  if (expires !== undefined && hasEnded(expires, now))
    throw new SignatureRejected(`expired at the end of ${expires}; get a newer signature or a newer module`);
  const last = [trusted.expires, expires].filter((day) => day !== undefined).sort()[0];
  return {
    key: Buffer.from(key.bytes).toString("hex"),
    signer: {
      name: trusted.name,
      keyId: key.id,
      trustedComment: signature.trustedComment,
      ...(last === undefined ? {} : { expires: last }),
      ...(trusted.expires === undefined ? {} : { keyExpires: trusted.expires }),
    },
  };
}

function parseText(text: string): Signature {
  try {
    return parseSignature(text);
  } catch (error) {
    if (!(error instanceof MinisignError)) throw error;
    throw new SignatureRejected(
      `is not a minisign signature: it ${error.message}; get it again from the publisher`,
    );
  }
}

/** Finds the key with the signature's key id in the policy. @throws SignatureRejected if it is unknown, expired or revoked */
function trustedKeyOf(
  policy: TrustPolicy,
  { keyId }: Signature,
  now: Date,
): { trusted: TrustedKey; key: PublicKey } {
  const revoked = policy.revoked.find((entry) => "key" in entry && entry.key === keyId);
  if (revoked !== undefined)
    throw new SignatureRejected(
      `was signed with the key ${keyId}, which is revoked: ${revoked.why}; have the module signed with another key`,
    );
  for (const trusted of policy.keys) {
    const key = publicKey(trusted);
    if (key.id !== keyId) continue;
    if (trusted.expires !== undefined && hasEnded(trusted.expires, now))
      throw new SignatureRejected(
        `was signed with the key of ${trusted.name} (${keyId}), which expired at the end of ${trusted.expires}; have the module signed with a newer key`,
      );
    return { trusted, key };
  }
  throw new SignatureRejected(
    `was signed with the key ${keyId}, which is not in trust.keys; add that key only if its owner confirmed it to you in another way`,
  );
}

function publicKey({ name, key }: TrustedKey): PublicKey {
  try {
    return parsePublicKey(key);
  } catch (error) {
    if (!(error instanceof MinisignError)) throw error;
    throw new SignatureRejected(
      `cannot be verified: the key ${name} in trust.keys ${error.message}; replace that key`,
    );
  }
}

function expiryOf({ trustedComment }: Signature): string | undefined {
  const expiry = parseExpiry(trustedComment);
  if (expiry === undefined || "day" in expiry) return expiry?.day;
  throw new SignatureRejected(
    `has the invalid expiry ${JSON.stringify(expiry.fault)} in its trusted comment, expected expires:YYYY-MM-DD once; have the module signed again`,
  );
}
