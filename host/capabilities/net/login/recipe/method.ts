/** Login method: a login that the configuration describes, with its request and the place of the token in the answer. */

import { allowsPath, type LoginMethod } from "../method.ts";
import { parsePointer } from "../pointer.ts";
import type { LoginRecipe } from "../token-recipe.ts";
import { type LoginConfig, SCHEMA } from "./grant.ts";

export const login = {
  kind: "login",
  schema: SCHEMA,
  recipe: (config: LoginConfig): LoginRecipe => ({
    kind: "login",
    header: { name: config.header, scheme: config.scheme },
    login: { method: config.method, path: config.path },
    body: config.body,
    token: parsePointer(config.token),
    lifetime: { ttl: config.ttl === undefined ? undefined : parsePointer(config.ttl) },
    remedy: "look at the fields of the credential's body and at their files",
  }),
  source: () => "by login",
  givesTokens: (allowed, own) => typeof own?.path === "string" && allowsPath(allowed, own.path),
} as const satisfies LoginMethod;
