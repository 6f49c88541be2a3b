/** The access token of a Google identity, in the header of each request. */
import type { Response } from "../../exchange.ts";
import { IssuedCredential, IssuedLease, type Issuer } from "../issued-credential.ts";
import type { SigningOptions } from "../method.ts";
import type { GcpLogin } from "./grant.ts";
import { identityOf } from "./source.ts";
import type { AccessToken } from "./token.ts";

/** Asks nobody before the first lease. */
export function gcpCredential(config: GcpLogin, options: SigningOptions): IssuedCredential<AccessToken> {
  const { source, member, close } = identityOf(config, options.connect, options.clock);
  const issuer: Issuer<AccessToken> = {
    source,
    close,
    lease: ({ token }) =>
      new IssuedLease((request) => {
        const headers = { ...request.headers, authorization: `Bearer ${token.text()}` };
        return { ...request, headers };
      }, member),
    isSame: (one, other) => one.token.equals(other.token),
    secrets: ({ token }) => ({ token }),
    isRefusal,
  };
  return new IssuedCredential(issuer, options);
}

/** A 403 is none: a role of the identity is missing, or a scope of the machine, which another token has neither. */
function isRefusal({ status }: Response): boolean {
  return status === 401;
}
