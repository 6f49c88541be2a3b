/** The secret files of a credential, for `kleidi check` and `kleidi render`: they need no login. */
import { Unreachable } from "../exchange.ts";
import type { CredentialConfig } from "./grant.ts";
import { methodOf } from "./methods.ts";
import { readSecret, type SecretPath } from "./secret-file.ts";
import { fieldFault, tokenFault } from "./secret-text.ts";
import type { Recipe } from "./token-recipe.ts";

/** Checks the secret files of a credential. Sends nothing and keeps nothing. @returns one sentence for each unusable file */
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

/** @returns the paths of the secret files of a credential */
export function secretFilesOf(config: CredentialConfig): string[] {
  return secretPaths(methodOf(config).recipe(config)).map(({ file }) => file);
}

function secretPaths(recipe: Recipe): SecretPath[] {
  if (recipe.kind === "file") return [recipe];
  return Object.values(recipe.body).filter((value) => typeof value !== "string");
}
