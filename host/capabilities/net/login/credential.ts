/**
 * Creates the host's credential at an origin, for one provider: a token from a file, or from a login. The guest never sees it.
 *
 * A client certificate (`tls.client`) is not a credential in this sense: the transport presents it. Vault's cert method logs in over it.
 */
import type { CredentialEvent } from "../../capability.ts";
import type { Credential, Send } from "../exchange.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { CredentialConfig } from "./grant.ts";
import type { CredentialLimit } from "./limits.ts";
import { Login } from "./login.ts";
import { methodOf } from "./methods.ts";
import type { EmitEvent } from "./timed-request.ts";
import { TokenFile } from "./token-file.ts";

export interface CredentialOptions {
  /** The provider's name, for the events. */
  readonly provider: string;
  /** Sends to the origin that the credential is bound to, and to no other. */
  readonly send: Send;
  readonly onEvent: (event: CredentialEvent) => void;
  /** Called when the limits are known, and when they have changed. */
  readonly onLimit?: (limit: CredentialLimit) => void;
  readonly clock?: Clock;
}

/** A credential that reports its limits. */
export interface LimitedCredential extends Credential {
  /**
   * Asks the server for the limits of the credential, once for each token; takes uses of the token. To be called after `lease`.
   * @throws Unreachable the signal was aborted
   */
  limits(signal: AbortSignal): Promise<readonly CredentialLimit[]>;
}

/**
 * Creates a credential. It sends and reads nothing before the first lease.
 * @throws Error a JSON pointer or a part of a path in the configuration is not valid
 */
export function createCredential(config: CredentialConfig, options: CredentialOptions): LimitedCredential {
  const { provider, send, onEvent, onLimit = () => {}, clock = systemClock } = options;
  const emit: EmitEvent = (event) => onEvent({ provider, ...event });
  const recipe = methodOf(config).recipe(config);
  return recipe.kind === "file"
    ? new TokenFile(recipe, { send, clock }, emit, onLimit)
    : new Login(recipe, { send, clock }, emit, onLimit);
}
