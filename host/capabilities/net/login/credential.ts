/**
 * Creates the host's credential at an origin, for one provider: a token from a file or from a login, or keys that sign. The guest never sees it.
 *
 * A client certificate (`tls.client`) is not a credential in this sense: the transport presents it. Vault's cert method logs in over it.
 */
import { systemClock } from "./clock.ts";
import type { CredentialConfig } from "./grant.ts";
import type { CredentialOptions, LimitedCredential } from "./limited-credential.ts";
import { Login } from "./login.ts";
import { methodOf } from "./methods.ts";
import type { EmitEvent } from "./timed-request.ts";
import { TokenFile } from "./token-file.ts";

/**
 * Creates a credential. It sends and reads nothing before the first lease.
 * @throws Error a JSON pointer or a part of a path in the configuration is not valid
 */
export function createCredential(config: CredentialConfig, options: CredentialOptions): LimitedCredential {
  const { provider, send, onEvent, onLimit = () => {}, clock = systemClock } = options;
  const method = methodOf(config);
  if ("create" in method) return method.create(config, { ...options, clock });
  const recipe = method.recipe(config);
  const emit: EmitEvent = (event) => onEvent({ provider, ...event });
  return recipe.kind === "file"
    ? new TokenFile(recipe, { send, clock }, emit, onLimit)
    : new Login(recipe, { send, clock }, emit, onLimit);
}
