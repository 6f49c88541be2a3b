/**
 * Who the host is at an origin, for one provider: a token from a file, or one that the host logs in for. The guest never sees it.
 *
 * A client certificate (`tls.client`) is no credential here: the transport presents it. Vault's cert method logs in over it.
 */
import type { CredentialEvent } from "../../capability.ts";
import { type Credential, type Send, Unreachable } from "../exchange.ts";
import type { Tell } from "./ask.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { CredentialConfig } from "./grant.ts";
import { Login } from "./login.ts";
import { methodOf } from "./methods.ts";
import { readSecret, type SecretPath } from "./secret-file.ts";
import { fieldFault, tokenFault } from "./text.ts";
import { TokenFile } from "./token-file.ts";
import type { Recipe } from "./token-recipe.ts";

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
  const recipe = methodOf(config).recipe(config);
  return recipe.kind === "file"
    ? new TokenFile(recipe, { send, clock }, tell)
    : new Login(recipe, { send, clock }, tell);
}

/** What is wrong with the secret files of a credential, a sentence for each that cannot be used. Asks nobody, keeps nothing. */
export function secretFileFaults(config: CredentialConfig): string[] {
  const recipe = methodOf(config).recipe(config);
  const faultOf = recipe.kind === "file" ? tokenFault : fieldFault;
  return secretPaths(recipe).flatMap((path) => {
    try {
      readSecret(path, faultOf).wipe();
      return [];
    } catch (error) {
      if (error instanceof Unreachable) return [error.message];
      throw error;
    }
  });
}

function secretPaths(recipe: Recipe): SecretPath[] {
  if (recipe.kind === "file") return [recipe];
  return Object.values(recipe.body).filter((value) => typeof value !== "string");
}
