/**
 * Who the host is at an origin, for one provider: a token from a file, or one that the host logs in for. The guest never sees it.
 *
 * A client certificate (`tls.client`) is no credential here: the transport presents it. Vault's cert method logs in over it.
 */
import type { Credential, CredentialEvent, Send } from "../exchange.ts";
import type { Tell } from "./ask.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { CredentialConfig } from "./credential-config.ts";
import { Login } from "./login.ts";
import { recipeOf } from "./recipes.ts";
import { TokenFile } from "./token-file.ts";

export interface CredentialOptions {
  /** The provider's name, for the events. */
  readonly provider: string;
  /** To the origin that the credential is bound to, and to no other one. */
  readonly send: Send;
  readonly onEvent: (event: CredentialEvent) => void;
  readonly clock?: Clock;
}

/**
 * Asks nobody and reads nothing until the first lease.
 * @throws Error where the configuration has a pointer or a part of a path that cannot be one
 */
export function createCredential(config: CredentialConfig, options: CredentialOptions): Credential {
  const { provider, send, onEvent, clock = systemClock } = options;
  const tell: Tell = (event) => onEvent({ provider, ...event });
  const recipe = recipeOf(config);
  return recipe.kind === "file"
    ? new TokenFile(recipe, { send, clock }, tell)
    : new Login(recipe, { send, clock }, tell);
}
