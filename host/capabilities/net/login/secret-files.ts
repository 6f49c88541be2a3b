/** The secret files and the other servers of a credential, for `kleidi check` and `kleidi render`: they need no login. */
import { Unreachable } from "../exchange.ts";
import type { CredentialConfig } from "./grant.ts";
import type { SecretUse } from "./method.ts";
import { methodOf } from "./methods.ts";
import { readSecret } from "./secret-file.ts";
import { fieldFault, tokenFault } from "./secret-text.ts";

/** Checks the secret files of a credential. Sends nothing and keeps nothing. @returns one sentence for each unusable file */
export function secretFileFaults(config: CredentialConfig): string[] {
  return secretsOf(config).flatMap(({ faultOf, ...path }) => {
    try {
      readSecret(path, faultOf).wipe();
      return [];
    } catch (error) {
      if (error instanceof Unreachable) return [error.message];
      throw error;
    }
  });
}

/** @returns the paths of the secret files of a credential */
export function secretFilesOf(config: CredentialConfig): string[] {
  return secretsOf(config).map(({ file }) => file);
}

/** @returns the URLs of the servers that a credential asks beside the origin */
export function serversOf(config: CredentialConfig): string[] {
  const method = methodOf(config);
  return "create" in method ? method.servers(config) : [];
}

function secretsOf(config: CredentialConfig): SecretUse[] {
  const method = methodOf(config);
  if ("create" in method) return method.secrets(config);
  const recipe = method.recipe(config);
  if (recipe.kind === "file") return [{ ...recipe, faultOf: tokenFault }];
  return Object.values(recipe.body)
    .filter((value) => typeof value !== "string")
    .map((path) => ({ ...path, faultOf: fieldFault }));
}
