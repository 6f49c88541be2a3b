/** An access token with its life, as a service gives it. Its answer is distrusted. */
import { Secret } from "../../../lib/secret.ts";
import { Unreachable } from "../exchange.ts";
import { type Issued, SHORTEST_MS } from "./issued-credential.ts";
import { tokenFault } from "./secret-text.ts";

/** A managed identity's lives for a day. A longer life is not believed. */
const LONGEST_MS = 24 * 3_600_000;

export interface AccessToken extends Issued {
  readonly token: Secret;
}

/** The life in `expires_in` (RFC 6749, 5.1), in milliseconds: a number of seconds, which some services write as text. NaN if it is none. */
export function lifeIn(seconds: unknown): number {
  if (typeof seconds === "string" && /^\d{1,9}$/.test(seconds)) return Number(seconds) * 1000;
  return typeof seconds === "number" ? seconds * 1000 : Number.NaN;
}

/**
 * @param what names the request in an error message
 * @throws Unreachable the token or its life cannot be used
 */
export function tokenOf(what: string, token: unknown, lifeMs: number): AccessToken {
  if (typeof token !== "string" || tokenFault(token) !== undefined)
    throw new Unreachable(`${what} returned no token that a header can carry`);
  if (Number.isNaN(lifeMs)) throw new Unreachable(`${what} does not say when the token expires`);
  if (lifeMs < SHORTEST_MS)
    throw new Unreachable(`${what} returned a token that has expired, or does so at once`);
  return { token: Secret.of(token), lifeMs: Math.min(lifeMs, LONGEST_MS) };
}
