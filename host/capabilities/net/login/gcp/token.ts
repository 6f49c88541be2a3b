/** Access tokens in the answers of Google's services, which are distrusted. */
import type { Response } from "../../exchange.ts";
import { type AccessToken, lifeIn, tokenOf } from "../access-token.ts";
import { valueAt } from "../pointer.ts";
import { dateIn, documentOf } from "../service.ts";

/** Reads the answer of an OAuth 2.0 token endpoint (RFC 6749, 5.1). @throws Unreachable there is no usable token in it */
export function tokenIn(what: string, answer: Response): AccessToken {
  const document = documentOf(what, answer);
  return tokenOf(what, valueAt(document, ["access_token"]), lifeIn(valueAt(document, ["expires_in"])));
}

/** Reads the answer of generateAccessToken. @param date of this machine, where the answer has none. @throws Unreachable */
export function impersonatedIn(what: string, answer: Response, date: number): AccessToken {
  const document = documentOf(what, answer);
  const ends = Date.parse(String(valueAt(document, ["expireTime"])));
  return tokenOf(what, valueAt(document, ["accessToken"]), ends - (dateIn(answer.headers) ?? date));
}
