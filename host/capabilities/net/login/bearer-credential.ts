/** An access token from a source, in the header of each request. */
import type { Response } from "../exchange.ts";
import type { AccessToken } from "./access-token.ts";
import { IssuedCredential, IssuedLease } from "./issued-credential.ts";
import type { SigningOptions } from "./method.ts";

export interface TokenSource {
  /** @throws Unreachable */
  source(): Promise<AccessToken>;
  /** The name of the identity, for doctor. @throws Unreachable */
  name(issued: AccessToken): Promise<string>;
  close(): Promise<void>;
}

/** Asks nobody before the first lease. */
export function bearerCredential(
  { source, name, close }: TokenSource,
  options: SigningOptions,
): IssuedCredential<AccessToken> {
  return new IssuedCredential(
    {
      source,
      close,
      lease: (issued) =>
        new IssuedLease(
          (request) => {
            const headers = { ...request.headers, authorization: `Bearer ${issued.token.text()}` };
            return { ...request, headers };
          },
          () => name(issued),
        ),
      isSame: (one, other) => one.token.equals(other.token),
      secrets: ({ token }) => ({ token }),
      isRefusal,
    },
    options,
  );
}

/** A 403 is none: a role of the identity is missing, which another token has not either. */
function isRefusal({ status }: Response): boolean {
  return status === 401;
}
