/** The access token of a Google identity, in the header of each request. */
import type { AccessToken } from "../access-token.ts";
import { bearerCredential } from "../bearer-credential.ts";
import type { IssuedCredential } from "../issued-credential.ts";
import type { SigningOptions } from "../method.ts";
import type { GcpLogin } from "./grant.ts";
import { identityOf } from "./source.ts";

/** Asks nobody before the first lease. */
export function gcpCredential(config: GcpLogin, options: SigningOptions): IssuedCredential<AccessToken> {
  const { source, member, close } = identityOf(config, options.connect, options.clock);
  return bearerCredential({ source, name: member, close }, options);
}
