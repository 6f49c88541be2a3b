/** The limits of a credential after which it is of no use for good: a number of uses, and an end that no renewal moves. */
import { valueAt } from "./pointer.ts";
import type { EndPointers, TokenEnd } from "./token-recipe.ts";

export interface CredentialLimit {
  /** A token from a login is replaced by the next login; `secret-id` is what the host logs in with. */
  readonly kind: "token" | "secret-id";
  /** Requests of a token, or logins of a secret id; absent if they are not limited. */
  readonly usesLeft?: number | undefined;
  /** The end, in milliseconds of Date.now(), and the life that began before it; absent if there is none. */
  readonly end?: { readonly at: number; readonly lifeMs: number } | undefined;
  /** The server did not report the limits: the reason. The rest is absent then. */
  readonly unknown?: string | undefined;
}

/** The uses that are left by an answer; undefined if they are not limited. A token that is being revoked has none. */
export function usesIn(document: unknown, pointer: EndPointers["uses"] | undefined): number | undefined {
  const uses = pointer && valueAt(document, pointer);
  if (typeof uses !== "number" || !Number.isInteger(uses) || uses === 0) return undefined;
  return Math.max(0, uses);
}

/** The limits of a secret id by the answer to its look-up. */
export function secretLimit(document: unknown, { uses, end, life }: EndPointers): CredentialLimit {
  const at = Date.parse(String(valueAt(document, end)));
  const seconds = Number(valueAt(document, life));
  return {
    kind: "secret-id",
    usesLeft: usesIn(document, uses),
    // Without an end, Vault reports the year 1.
    end: at > 0 ? { at, lifeMs: seconds > 0 ? seconds * 1000 : Number.POSITIVE_INFINITY } : undefined,
  };
}

/**
 * The limits of a token by the answer to its look-up.
 * @param date when it was asked, in milliseconds of Date.now()
 */
export function tokenLimit(document: unknown, pointers: TokenEnd, date: number): CredentialLimit {
  const number = (pointer: TokenEnd["ttl"]) => Math.max(0, Number(valueAt(document, pointer)) || 0) * 1000;
  const [ttl, life, most] = [number(pointers.ttl), number(pointers.life), number(pointers.most)];
  const created = number(pointers.created);
  const usesLeft = usesIn(document, pointers.uses);
  const kind = "token";
  if (most > 0 && created > 0) return { kind, usesLeft, end: { at: created + most, lifeMs: most } };
  if (ttl > 0 && valueAt(document, pointers.renewable) !== true)
    return { kind, usesLeft, end: { at: date + ttl, lifeMs: Math.max(ttl, life) } };
  return { kind, usesLeft };
}
