/**
 * Creates the host's credential at an origin, for one provider: a token from a file, or from a login. The guest never sees it.
 *
 * A client certificate (`tls.client`) is not a credential in this sense: the transport presents it. Vault's cert method logs in over it.
 */
import type { CredentialEvent } from "../../capability.ts";
import type { Credential, Send } from "../exchange.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { CredentialConfig } from "./grant.ts";
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
  readonly clock?: Clock;
}

/**
 * Creates a credential. It sends and reads nothing before the first lease.
 * @throws Error a JSON pointer or a part of a path in the configuration is not valid
 */
export function createCredential(config: CredentialConfig, options: CredentialOptions): Credential {
  const { provider, send, onEvent, clock = systemClock } = options;
  const emit: EmitEvent = (event) => onEvent({ provider, ...event });
  const recipe = methodOf(config).recipe(config);
  return recipe.kind === "file"
    ? new TokenFile(recipe, { send, clock }, emit)
    : new Login(recipe, { send, clock }, emit);
}
