/** An access token with its life, as a service of Google gives it. The document is distrusted. */
import { Secret } from "../../../../lib/secret.ts";
import { type Response, Unreachable } from "../../exchange.ts";
import { type Issued, SHORTEST_MS } from "../issued-credential.ts";
import { valueAt } from "../pointer.ts";
import { tokenFault } from "../secret-text.ts";
import { dateIn, documentOf } from "../service.ts";

/** The longest that an organisation can allow. A longer life is not believed. */
const LONGEST_MS = 12 * 3_600_000;

export interface AccessToken extends Issued {
  readonly token: Secret;
}

/** Reads the answer of an OAuth 2.0 token endpoint (RFC 6749, 5.1). @throws Unreachable there is no usable token in it */
export function tokenIn(what: string, answer: Response): AccessToken {
  const document = documentOf(what, answer);
  const seconds = valueAt(document, ["expires_in"]);
  return tokenOf(
    what,
    valueAt(document, ["access_token"]),
    typeof seconds === "number" ? seconds * 1000 : Number.NaN,
  );
}

/** Reads the answer of generateAccessToken. @param date of this machine, where the answer has none. @throws Unreachable */
export function impersonatedIn(what: string, answer: Response, date: number): AccessToken {
  const document = documentOf(what, answer);
  const ends = Date.parse(String(valueAt(document, ["expireTime"])));
  return tokenOf(what, valueAt(document, ["accessToken"]), ends - (dateIn(answer.headers) ?? date));
}

function tokenOf(what: string, token: unknown, lifeMs: number): AccessToken {
  if (typeof token !== "string" || tokenFault(token) !== undefined)
    throw new Unreachable(`${what} returned no token that a header can carry`);
  if (Number.isNaN(lifeMs)) throw new Unreachable(`${what} does not say when the token expires`);
  if (lifeMs < SHORTEST_MS)
    throw new Unreachable(`${what} returned a token that has expired, or does so at once`);
  return { token: Secret.of(token), lifeMs: Math.min(lifeMs, LONGEST_MS) };
}
